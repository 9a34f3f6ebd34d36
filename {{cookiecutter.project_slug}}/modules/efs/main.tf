# The shared file system: encrypted, backed up, reachable in each zone from the container instances only.
# Tasks mount it through its access point (module `ecs`), so an instance needs no preparing and no draining.

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_efs_file_system" "efs" {
  creation_token = var.name
  encrypted      = true

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }

  # What is read again comes back, or every further read would be billed.
  lifecycle_policy {
    transition_to_primary_storage_class = "AFTER_1_ACCESS"
  }

  tags = { Name = var.name }
}

# There is no deletion protection and no final snapshot for a file system: the backups are all there is.
resource "aws_efs_backup_policy" "efs" {
  file_system_id = aws_efs_file_system.efs.id

  backup_policy {
    status = "ENABLED"
  }
}

# Nobody is let in anonymously or in clear: who mounts needs a role of this account that allows it.
resource "aws_efs_file_system_policy" "efs" {
  file_system_id = aws_efs_file_system.efs.id

  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "1"
    Statement = [
      {
        Sid       = "RolesOfThisAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root" }
        Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        Resource  = aws_efs_file_system.efs.arn
        Condition = { Bool = { "elasticfilesystem:AccessedViaMountTarget" = "true" } }
      },
      {
        Sid       = "OnlyEncrypted"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "*"
        Resource  = aws_efs_file_system.efs.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_efs_access_point" "data" {
  file_system_id = aws_efs_file_system.efs.id

  posix_user {
    uid = var.owner_id
    gid = var.owner_id
  }

  root_directory {
    path = "/data"

    creation_info {
      owner_uid   = var.owner_id
      owner_gid   = var.owner_id
      permissions = "0755"
    }
  }

  tags = { Name = "${var.name}-data" }
}

resource "aws_efs_mount_target" "efs_mount_target" {
  for_each = var.private_subnet_ids

  file_system_id  = aws_efs_file_system.efs.id
  subnet_id       = each.value
  security_groups = [aws_security_group.mount_target_sg.id]
}

resource "aws_security_group" "mount_target_sg" {
  name_prefix = "${var.name}-efs-"
  description = "File system: NFS from the container instances"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-efs" }

  lifecycle {
    create_before_destroy = true
  }

  timeouts {
    delete = "45m" # network interfaces outlive their owners
  }
}

# The instance mounts, not the container: in bridge mode NFS comes from the instances' group.
resource "aws_vpc_security_group_ingress_rule" "nfs_from_instances" {
  security_group_id            = aws_security_group.mount_target_sg.id
  description                  = "NFS from the container instances"
  referenced_security_group_id = var.ecs_instance_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}
