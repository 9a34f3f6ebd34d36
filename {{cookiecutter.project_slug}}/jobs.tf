# The jobs: the administration of the database, and what people wrote in `jobs`. All run from the image of the first
# service, and all may read the master password: no serving container can.

data "aws_partition" "current" {}

locals {
  # the first of those that run the project's own image; where none does, the first
  first_service = concat([for key, service in var.services : key if service.image == null], keys(var.services))[0]

  administration = {
    chamber_services     = concat([local.chamber_admin_service], sort(tolist(local.own_chamber_services)))
    image                = local.services[local.first_service].image
    registry_credentials = local.services[local.first_service].registry_credentials
    log_group            = "${local.app_log_prefix}/apps/jobs"
    policy               = concat(local.read_ows_config, local.read_products)
    execute_command      = false
  }

  # s3://bucket/folder/*.yaml -> all of the folder
  product_places = distinct([for place in var.products : dirname(trimprefix(place, "s3://")) if startswith(place, "s3://")])
  read_products = length(local.product_places) == 0 ? [] : [jsonencode({
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for place in local.product_places : "arn:${data.aws_partition.current.partition}:s3:::${place}/*"]
      },
      {
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = [for place in local.product_places : "arn:${data.aws_partition.current.partition}:s3:::${split("/", place)[0]}"]
      },
    ]
  })]

  # s3://bucket/folder of what is indexed: who draws the map must read it, too
  indexed_places = [for each in var.index : trimsuffix(trimprefix(each.source, "s3://"), "/") if startswith(each.source, "s3://")]
  data_places    = setunion(var.data_buckets, local.indexed_places)

  jobs = merge(
    { admin = { command = null, schedule = null, timezone = "UTC", cpu = 256, memory = 1024, environment = {} } },
    {
      for key, job in var.jobs : key => merge(job, {
        # a job that bears the name of one of the image's own needs no command
        command = job.command != null ? job.command : ["python3", "-m", "ows_jobs", key]
      })
    },
  )

  job_environment = merge(local.environment, {
    CHAMBER_SERVICE          = local.chamber_admin_service
    SERVING_CHAMBER_SERVICES = join(" ", sort(tolist(local.own_chamber_services)))
    PRODUCTS                 = jsonencode(var.products)
    INDEX                    = jsonencode(var.index)
  })

  job_definitions = {
    for key, job in local.jobs : key => {
      schedule = job.schedule
      timezone = job.timezone
      container_definitions = templatefile(
        fileexists("${local.templates}/${key}.json.tftpl") ? "${local.templates}/${key}.json.tftpl" : "${local.templates}/job.json.tftpl",
        {
          name                 = key
          image                = local.administration.image
          registry_credentials = local.administration.registry_credentials
          command              = job.command
          cpu                  = job.cpu
          memory               = job.memory
          environment          = [for name, value in merge(local.job_environment, job.environment) : { name = name, value = value }]
          mount_points         = local.mount_points
          log_group            = local.administration.log_group
          region               = var.region
        }
      )
    }
  }
}
