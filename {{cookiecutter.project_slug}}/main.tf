# The deployment: where its state is kept, whose account it is, and how the modules are wired together.
# What differs between environments stands in workspaces/NAME.tfvars, who the project is in invoke.yaml.

terraform {
  # Bucket and region come with `invoke init`. The key is this project's own and the only place of it.
  backend "s3" {
    key          = "{{ cookiecutter | backend_key }}"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = {
      Project    = local.project.slug
      Cluster    = local.project.cluster
      Workspace  = var.workspace
      Owner      = local.project.owner
      Created_by = "terraform"
    }
  }
}

resource "aws_ecs_cluster" "cluster" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "disabled" # billed by metric
  }

  lifecycle {
    precondition {
      condition     = local.identity_is_sound
      error_message = "invoke.yaml: project.slug and project.cluster are 3 to 28 lower case letters, digits and single hyphens, a letter first, and do not begin with aws, ssm, ecs, fargate, internal- or sg-; project.owner holds letters, digits, spaces and + - = . _ : / @."
    }
  }
}

module "vpc" {
  source = "{{ cookiecutter.module_source | module_address('vpc') }}"

  name = local.name
  cidr = var.vpc_cidr
}

module "public_layer" {
  source = "{{ cookiecutter.module_source | module_address('public_layer') }}"

  name           = local.name
  vpc_id         = module.vpc.id
  vpc_igw_id     = module.vpc.igw_id
  public_subnets = local.subnets.public
  nat            = var.nat
  enable_jumpbox = length(var.jumpbox_cidrs) > 0
  jumpbox_cidrs  = var.jumpbox_cidrs
  key_name       = var.key_name
}

module "load_balancer" {
  source   = "{{ cookiecutter.module_source | module_address('load_balancer') }}"
  for_each = local.load_balancers

  alb_name                   = each.value.name
  vpc_id                     = module.vpc.id
  public_subnet_ids          = module.public_layer.public_subnet_ids
  services                   = each.value.services
  allow_cidr_blocks          = var.alb_allowed_cidrs
  enable_https               = local.enable_https
  ssl_cert_arn               = var.certificate_arn
  enable_deletion_protection = var.alb_deletion_protection && each.key == "shared" # one's own goes with its service
}

module "ec2_instances" {
  source = "{{ cookiecutter.module_source | module_address('ec2_instances') }}"

  name                   = local.name
  cluster                = aws_ecs_cluster.cluster.name
  vpc_id                 = module.vpc.id
  private_subnets        = local.subnets.private
  nat_ids                = module.public_layer.nat_ids
  alb_security_group_ids = { for key, alb in module.load_balancer : key => alb.alb_security_group_id }
  jump_ssh_sg_ids        = module.public_layer.jump_ssh_sg_ids
  aws_ami                = var.aws_ami
  instance_type          = var.instance_type
  min_size               = var.min_size
  max_size               = var.max_size
  key_name               = var.key_name
  cloudwatch_prefix      = local.cloudwatch_prefix
  log_retention_days     = var.log_retention_days
  kept_log_retention     = local.kept_log_retention
}

module "efs" {
  source = "{{ cookiecutter.module_source | module_address('efs') }}"
  count  = local.use_efs ? 1 : 0

  name                           = local.name
  vpc_id                         = module.vpc.id
  private_subnet_ids             = module.ec2_instances.private_subnet_ids
  ecs_instance_security_group_id = module.ec2_instances.ecs_instance_security_group_id
}

module "database_layer" {
  source = "{{ cookiecutter.module_source | module_address('database_layer') }}"

  name             = local.name
  vpc_id           = module.vpc.id
  database_subnets = local.subnets.database
  client_security_group_ids = merge(
    { instances = module.ec2_instances.ecs_instance_security_group_id },
    module.public_layer.jump_ssh_sg_ids,
  )
  instance_class            = var.db_instance_class
  storage                   = var.db_storage
  db_name                   = var.db_name
  db_admin_username         = var.db_admin_username
  db_admin_password         = var.db_password
  db_admin_password_version = var.db_password_version
  rds_is_multi_az           = var.db_multi_az
  backup_retention_period   = var.db_backup_retention_days
  backup_window             = var.db_backup_window
  maintenance_window        = var.db_maintenance_window
  log_exports               = var.db_log_exports
  log_retention_days        = var.log_retention_days
  deletion_protection       = var.db_deletion_protection
  skip_final_snapshot       = var.db_skip_final_snapshot
  chamber_services          = local.own_chamber_services
  chamber_admin_service     = local.chamber_admin_service
}

module "ecs_policy" {
  source = "{{ cookiecutter.module_source | module_address('ecs_policy') }}"

  name                      = local.name
  parameter_store_key_alias = var.parameter_store_key_alias
  services                  = merge(local.services, { jobs = local.administration })
  data_buckets              = local.data_places
  file_system               = one([for efs in module.efs : { arn = efs.efs_arn, access_point_arn = efs.access_point_arn }])
}

module "ecs" {
  source   = "{{ cookiecutter.module_source | module_address('ecs') }}"
  for_each = local.services

  name                      = "${local.name}-${each.key}"
  family                    = "${local.name}-${each.key}"
  cluster                   = aws_ecs_cluster.cluster.arn
  capacity_provider         = module.ec2_instances.capacity_provider
  cpu_architecture          = module.ec2_instances.cpu_architecture
  desired_count             = contains(var.waiting_services, each.key) ? 0 : each.value.desired_count
  health_check_grace_period = each.value.health_check_grace_period
  held_task_definition      = lookup(var.held_services, each.key, null)
  container_definitions     = local.container_definitions[each.key]
  container_name            = each.key
  container_port            = each.value.port
  target_group_arn          = module.load_balancer[each.value.alb].alb_target_groups[each.key]
  task_role_arn             = module.ecs_policy.task_role_arns[each.key]
  execution_role_arn        = module.ecs_policy.execution_role_arn
  log_group                 = each.value.log_group
  log_retention_days        = lookup(local.kept_log_retention, each.value.log_group, var.log_retention_days)
  volume_name               = local.volume_name
  file_system               = one([for efs in module.efs : { id = efs.efs_id, access_point_id = efs.access_point_id }])

  # Tasks that start before their database fail, and ECS gives up a first deployment for good.
  depends_on = [module.database_layer]
}

module "jobs" {
  source = "{{ cookiecutter.module_source | module_address('jobs') }}"

  name               = local.name
  cluster            = aws_ecs_cluster.cluster.arn
  capacity_provider  = module.ec2_instances.capacity_provider
  cpu_architecture   = module.ec2_instances.cpu_architecture
  jobs               = local.job_definitions
  task_role_arn      = module.ecs_policy.task_role_arns["jobs"]
  execution_role_arn = module.ecs_policy.execution_role_arn
  log_group          = local.administration.log_group
  log_retention_days = lookup(local.kept_log_retention, local.administration.log_group, var.log_retention_days)
  volume_name        = local.volume_name
  file_system        = one([for efs in module.efs : { id = efs.efs_id, access_point_id = efs.access_point_id }])
}
