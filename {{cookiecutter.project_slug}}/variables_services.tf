# What runs: the services, their images, and the load balancers before them.

variable "services" {
  description = <<-TEXT
    Service -> how it runs. image: null takes the one in `images`. host, path: the requests that are its own (a
    host of null is any host). health_check_grace_period: seconds in which a new task may still fail its health
    check. load_balancer: `shared`, or `own` for one of its own. chamber_service: whose
    secrets it reads, null for the project's. policy: IAM policy documents (JSON) for its task role.
    Container definitions: task-definitions/SERVICE.json.tftpl, or ows.json.tftpl where there is none.
  TEXT
  type = map(object({
    image                     = optional(string)
    command                   = optional(list(string))
    environment               = optional(map(string), {})
    cpu                       = optional(number, 512)
    memory                    = optional(number, 2048)
    desired_count             = optional(number, 2)
    port                      = optional(number, 8000)
    health_check_path         = optional(string, "/ping")
    health_check_grace_period = optional(number, 120)
    host                      = optional(string)
    path                      = optional(string, "/*")
    load_balancer             = optional(string, "shared")
    chamber_service           = optional(string)
    policy                    = optional(list(string), [])
  }))
  default = {}

  validation {
    condition = length(var.services) > 0 && alltrue([
      for name in keys(var.services) : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name)) && length(name) <= 16 && !contains(["default", "jobs", "local", "shared"], name)
    ])
    error_message = "services: at least one; names of 1 to 16 lower case letters, digits and single hyphens, a letter first; not default, jobs, local or shared."
  }

  validation {
    condition     = alltrue([for name, service in var.services : service.image != null || contains(keys(var.images), name)])
    error_message = "services: no image for ${join(", ", [for name, service in var.services : name if service.image == null && !contains(keys(var.images), name)])}. Push one and pin its digest in workspaces/${var.workspace}.images.tfvars.json."
  }

  validation {
    condition = alltrue([
      for image in values(merge(
        { for name, image in var.images : name => image if contains(keys(var.services), name) },
        { for name, service in var.services : name => service.image if service.image != null },
      )) : can(regex(var.account == "000000000000" ? "^[a-z0-9][^ ]*$" : "^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$", image))
    ])
    error_message = "services: a tag may mean another image tomorrow; outside the workspace local an image is repository@sha256:<64 hex digits>. Pinned in workspaces/${var.workspace}.images.tfvars.json, or in the service itself."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) :
      service.cpu >= 128 && service.cpu <= 10240 && service.memory >= 128 && service.memory <= 1048576 &&
      service.desired_count >= 0 && service.desired_count <= 1000 && service.port >= 1 && service.port <= 65535 &&
      service.health_check_grace_period >= 0 && service.health_check_grace_period <= 86400 &&
      alltrue([for number in [service.cpu, service.memory, service.desired_count, service.port, service.health_check_grace_period] : floor(number) == number])
    ])
    error_message = "services: whole numbers; cpu 128 to 10240 (1024 a core), memory 128 to 1048576 MiB, desired_count 0 to 1000, port 1 to 65535, health_check_grace_period 0 to 86400 seconds."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) :
      can(regex("^/[A-Za-z0-9_.$/~\"'@:+&?=,%!;()-]*$", service.health_check_path)) && length(service.health_check_path) <= 1024 &&
      can(regex("^/[A-Za-z0-9_.$/~\"'@:+&()*?-]*$", service.path)) && length(service.path) <= 128
    ])
    error_message = "services: health_check_path and path begin with /; path has 128 characters at most, with * and ? as wildcards."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) :
      service.host == null || (can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", service.host)) && try(length(service.host) <= 128, false))
    ])
    error_message = "services: host is a name such as wms.example.com or *.example.com, lower case, 128 characters at most."
  }

  validation {
    condition     = alltrue([for service in values(var.services) : contains(["shared", "own"], service.load_balancer)])
    error_message = "services: load_balancer is shared or own."
  }

  validation {
    condition = length(distinct([
      for name, service in var.services : [service.load_balancer == "own" ? name : "", service.host, service.path]
    ])) == length(var.services)
    error_message = "services: two services want the same requests of the shared load balancer; give one a host or a path, or load_balancer = \"own\"."
  }

  validation {
    condition = alltrue(flatten([
      for service in values(var.services) : [
        for name in keys(service.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !can(regex("(PASSWORD|PASSWD|SECRET|SECRET_KEY|ACCESS_KEY|TOKEN)$", upper(name)))
      ]
    ]))
    error_message = "services: environment holds names of letters, digits and underscores, and no secret: those go to the store (invoke chamber.write)."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) :
      service.chamber_service == null || (can(regex("^[a-z][a-z0-9-]*$", service.chamber_service)) && !can(regex("^(aws|ssm)", service.chamber_service)))
    ])
    error_message = "services: chamber_service holds lower case letters, digits and hyphens, and does not begin with aws or ssm."
  }

  validation {
    condition     = alltrue([for service in values(var.services) : try(!endswith(service.chamber_service, "-admin"), true)])
    error_message = "services: a chamber_service that ends in -admin holds a master password; what serves must not read it."
  }
}

variable "images" {
  description = "Service -> repository@sha256:..., as the tasks pushed it: workspaces/NAME.images.tfvars.json."
  type        = map(string)
  default     = {}
}

variable "registry_credentials" {
  description = <<-TEXT
    ARN of a secret in Secrets Manager, {"username": "...", "password": "..."}: the login for the registry of every
    image outside ECR. Encrypted with AWS's own key (aws/secretsmanager). Empty: such images are pulled without.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
  TEXT
  type        = string
  default     = ""

  validation {
    condition     = var.registry_credentials == "" || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.registry_credentials))
    error_message = "registry_credentials: the whole ARN of a secret in Secrets Manager, such as arn:aws:secretsmanager:${var.region}:${var.account}:secret:registry-a1b2c3."
  }
}

variable "certificate_arn" {
  description = "ACM certificate of the load balancers, in their own region. Empty: HTTP only."
  type        = string
  default     = ""

  validation {
    condition     = var.certificate_arn == "" || alltrue([for service in values(var.services) : service.host != null])
    error_message = "certificate_arn: with a certificate each service needs a host, which the certificate names: services = { ows = { host = \"wms.example.com\" } }."
  }

  validation {
    condition     = var.certificate_arn == "" || can(regex("^arn:aws[a-z-]*:acm:${var.region}:${var.account}:certificate/[0-9a-f-]+$", var.certificate_arn))
    error_message = "certificate_arn: the ARN of an ACM certificate of this account (${var.account}) and region (${var.region})."
  }
}

variable "alb_allowed_cidrs" {
  description = "IPv4 networks that may use the load balancers."
  type        = set(string)
  default     = ["0.0.0.0/0"]
}

variable "alb_deletion_protection" {
  description = "Whether AWS refuses to delete the load balancers."
  type        = bool
  default     = true
}
