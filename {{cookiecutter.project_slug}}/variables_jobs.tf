# What the WMS serves, and what runs to that end: the OWS configuration, products, datasets, and jobs.

variable "ows_config" {
  description = "Where the OWS configuration is: empty, it is baked into the image (image/ows_config/); or s3://bucket/key.json."
  type        = string
  default     = ""

  validation {
    condition     = var.ows_config == "" || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^*?]+\\.json$", var.ows_config))
    error_message = "ows_config: empty, or s3://bucket/key.json."
  }
}

variable "products" {
  description = "Product definitions of the Open Data Cube: files of the image (image/products/*.yaml) or URLs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for place in var.products : can(regex("^(image/|https?://|s3://)[^ ]+$", place))])
    error_message = "products: image/products/*.yaml, or https://... or s3://...; no spaces."
  }
}

variable "index" {
  description = "Where datasets are: `source`, s3://bucket/folder or a folder of the image (image/sample), and the `pattern` of their documents."
  type = list(object({
    source  = string
    pattern = optional(string, "*.odc-metadata.yaml")
  }))
  default = []

  validation {
    condition     = alltrue([for each in var.index : can(regex("^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?]*)?|image/[^*?]+|/[^*?]+)$", each.source))])
    error_message = "index: source is s3://bucket/folder, image/folder, or a folder of the file system (/opt/data/...), without wildcards; those go into pattern."
  }

  validation {
    condition     = !anytrue([for each in var.index : can(regex("\\.(ya?ml|json)$", each.source))])
    error_message = "index: source is a folder; the documents in it are chosen by pattern."
  }

  validation {
    condition     = var.storage != "efs" || alltrue([for each in var.index : !startswith(each.source, "s3://")])
    error_message = "index: datasets in S3 need storage = \"s3\" or \"both\"; with \"efs\" the services have no right to S3."
  }
}

variable "jobs" {
  description = <<-TEXT
    Job -> what runs, and when. command: null is the image's own job of that name (schema, products, index, ranges; update is the last two).
    schedule: cron(...), rate(...) or at(...) of EventBridge Scheduler in timezone; null for a job that people
    start (invoke service.run JOB). A container: task-definitions/JOB.json.tftpl, or job.json.tftpl.
  TEXT
  type = map(object({
    command     = optional(list(string))
    schedule    = optional(string)
    timezone    = optional(string, "UTC")
    cpu         = optional(number, 256)
    memory      = optional(number, 1024)
    environment = optional(map(string), {})
  }))
  default = {}

  validation {
    condition     = !contains(keys(var.jobs), "admin")
    error_message = "jobs: admin is the administration's own; take another name."
  }

  validation {
    condition     = alltrue([for name, job in var.jobs : job.command != null || contains(["schema", "products", "index", "ranges", "update"], name)])
    error_message = "jobs: ${join(", ", [for name, job in var.jobs : name if job.command == null])} needs a command; only schema, products, index, ranges and update have one of their own."
  }

  validation {
    condition = alltrue([
      for job in values(var.jobs) : job.cpu >= 128 && job.cpu <= 10240 && job.memory >= 128 && job.memory <= 1048576 && floor(job.cpu) == job.cpu && floor(job.memory) == job.memory
    ])
    error_message = "jobs: whole numbers; cpu 128 to 10240 (1024 a core), memory 128 to 1048576 MiB."
  }

  validation {
    condition = alltrue(flatten([
      for job in values(var.jobs) : [
        for name in keys(job.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !can(regex("(PASSWORD|PASSWD|SECRET|SECRET_KEY|ACCESS_KEY|TOKEN)$", upper(name)))
      ]
    ]))
    error_message = "jobs: environment holds names of letters, digits and underscores, and no secret: those go to the store (invoke chamber.write)."
  }
}

variable "waiting_services" {
  description = "Services of which no task runs yet: the database does not hold what they need. The tasks know: invoke deploy."
  type        = set(string)
  default     = []
}

variable "held_services" {
  description = "Service -> ARN of the task definition that it goes on with while the database is prepared for the next. The tasks know: invoke deploy."
  type        = map(string)
  default     = {}
}

variable "enable_execute_command" {
  description = "Whether people who may (ecs:ExecuteCommand) can open a shell in a task: invoke service.exec."
  type        = bool
  default     = true
}
