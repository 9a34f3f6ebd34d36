output "wms_endpoint" {
  description = "Where the first service answers."
  value       = local.endpoints[local.first_service]
}

output "endpoints" {
  description = "Service -> its URL."
  value       = local.endpoints
}

output "alb_endpoint" {
  description = "Load balancer -> its name in the DNS; `shared` is the one that services share."
  value       = { for key, alb in module.load_balancer : key => alb.alb_dns_name }
}

output "cluster" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.cluster.name
}

output "services" {
  description = "Service -> its ECS service, revision (and the one that it is held at, if so), image and log group."
  value = {
    for key, service in module.ecs : key => {
      service         = service.service
      task_definition = service.task_definition
      runs            = service.runs
      image           = local.services[key].image
      log_group       = service.log_group
    }
  }
}

output "jobs" {
  description = "Job -> its revision, container and log group; `admin` runs the administration of the database."
  value       = module.jobs.jobs
}

output "capacity_provider" {
  description = "Where tasks run."
  value       = module.ec2_instances.capacity_provider
}

output "database_endpoint" {
  description = "host:port of the database."
  value       = module.database_layer.endpoint
}

output "file_system_id" {
  description = "The EFS file system; null when data lies in S3 only."
  value       = one(module.efs[*].efs_id)
}

output "log_groups" {
  description = "Every log group of this deployment."
  value = concat(
    module.ec2_instances.log_groups,
    [for service in module.ecs : service.log_group],
    [module.jobs.log_group],
    module.database_layer.log_groups,
  )
}

output "parameter_store_key_id" {
  description = "Id of chamber's key."
  value       = module.ecs_policy.parameter_store_key_id
}

output "chamber_service" {
  description = "Chamber service of the tasks."
  value       = local.chamber_service
}

output "chamber_admin_service" {
  description = "Chamber service of administration: the master password is here."
  value       = local.chamber_admin_service
}
