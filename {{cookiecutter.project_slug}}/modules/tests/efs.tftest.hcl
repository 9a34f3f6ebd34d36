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

  assert {
    condition     = [for policy in aws_efs_file_system.efs.lifecycle_policy : coalesce(policy.transition_to_ia, policy.transition_to_primary_storage_class)] == ["AFTER_30_DAYS", "AFTER_1_ACCESS"]
    error_message = "What nobody reads costs less; what is read again comes back."
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
    condition = jsondecode(aws_efs_file_system_policy.efs.policy).Statement == [
      {
        Sid       = "RolesOfThisAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::123456789012:root" }
        Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        Resource  = "arn:aws:elasticfilesystem:ap-southeast-2:123456789012:file-system/fs-mock"
        Condition = { Bool = { "elasticfilesystem:AccessedViaMountTarget" = "true" } }
      },
      {
        Sid       = "OnlyEncrypted"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "*"
        Resource  = "arn:aws:elasticfilesystem:ap-southeast-2:123456789012:file-system/fs-mock"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "Roles of this account, through a mount target, over TLS."
  }
}

run "whoever_enters_acts_as_the_user_of_the_image" {
  command = plan

  module {
    source = "./modules/efs"
  }

  assert {
    condition     = [for user in aws_efs_access_point.data.posix_user : [user.uid, user.gid]] == [[1000, 1000]]
    error_message = "Whatever user the container runs as."
  }

  assert {
    condition = [
      for root in aws_efs_access_point.data.root_directory :
      [root.path, root.creation_info[0].owner_uid, root.creation_info[0].owner_gid, root.creation_info[0].permissions]
    ] == [["/data", 1000, 1000, "0755"]]
    error_message = "In a folder of its own, which EFS makes for that user."
  }
}

run "or_as_another_one" {
  command = plan

  module {
    source = "./modules/efs"
  }

  variables {
    owner_id = 1234
  }

  assert {
    condition     = aws_efs_access_point.data.posix_user[0].uid == 1234 && aws_efs_access_point.data.root_directory[0].creation_info[0].owner_uid == 1234
    error_message = "The owner that was named."
  }
}
