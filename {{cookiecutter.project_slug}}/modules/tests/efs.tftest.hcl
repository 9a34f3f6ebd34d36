# The file system, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                           = "maps-dev"
  vpc_id                         = "vpc-1"
  private_subnet_ids             = { "ap-southeast-2a" = "subnet-a", "ap-southeast-2b" = "subnet-b" }
  ecs_instance_security_group_id = "sg-instances"
}

run "data_is_encrypted_and_backed_up" {
  command = plan

  module {
    source = "./modules/efs"
  }

  assert {
    condition     = aws_efs_file_system.efs.encrypted && aws_efs_backup_policy.efs.backup_policy[0].status == "ENABLED"
    error_message = "Encrypted, backed up."
  }
}

run "each_zone_has_its_mount_target_for_the_instances_only" {
  command = plan

  module {
    source = "./modules/efs"
  }

  assert {
    condition     = tomap({ for zone, target in aws_efs_mount_target.efs_mount_target : zone => target.subnet_id }) == var.private_subnet_ids
    error_message = "One a zone."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.nfs_from_instances.referenced_security_group_id == "sg-instances" && aws_vpc_security_group_ingress_rule.nfs_from_instances.from_port == 2049
    error_message = "NFS, from the instances."
  }
}

run "nobody_mounts_it_in_clear_or_without_a_role" {
  command = plan

  module {
    source = "./modules/efs"
  }

  assert {
    condition     = [for statement in jsondecode(aws_efs_file_system_policy.efs.policy).Statement : statement.Effect if try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"] == ["Deny"]
    error_message = "TLS."
  }

  assert {
    condition     = jsondecode(aws_efs_file_system_policy.efs.policy).Statement[0].Principal.AWS == "arn:aws:iam::123456789012:root"
    error_message = "Roles of this account."
  }
}
