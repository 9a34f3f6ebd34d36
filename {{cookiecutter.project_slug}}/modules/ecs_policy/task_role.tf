# What the application of a service may do with AWS, and nothing beside it.

resource "aws_iam_role" "task" {
  for_each = var.services

  name               = local.role_names["task/${each.key}"]
  assume_role_policy = local.assumed_by_tasks
}

# chamber exec asks for a path: AWS wants the right on the path itself and on what is below it.
resource "aws_iam_role_policy" "access_to_ssm" {
  for_each = var.services

  name = "access-to-ssm"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadItsSecrets"
        Effect   = "Allow"
        Action   = ["ssm:GetParametersByPath", "ssm:GetParameters"]
        Resource = flatten([for name in each.value.chamber_services : ["${local.parameters}/${name}", "${local.parameters}/${name}/*"]])
      },
      {
        Sid      = "DecryptThem"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.parameter_store_key.arn
        Condition = {
          StringEquals = { "kms:ViaService" = "ssm.${local.region}.amazonaws.com" }
          StringLike   = { "kms:EncryptionContext:PARAMETER_ARN" = [for name in each.value.chamber_services : "${local.parameters}/${name}/*"] }
        }
      },
    ]
  })
}

# `invoke service.exec`: the agent that ECS puts beside the container asks with the task's own role.
resource "aws_iam_role_policy" "execute_command" {
  for_each = { for service, needs in var.services : service => needs if needs.execute_command }

  name = "execute-command"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "OpenASession"
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = "*" # AWS knows no narrower one
    }]
  })
}

locals {
  # bucket/folder -> bucket, and "folder/" or nothing: "baseline" must not open "baseline-private"
  data_places = [
    for place in var.data_buckets : {
      bucket = split("/", place)[0]
      folder = try("${trimsuffix(regex("/(.+)$", place)[0], "/")}/", "")
    }
  ]
}

resource "aws_iam_role_policy" "read_buckets" {
  for_each = length(var.data_buckets) > 0 ? var.services : {}

  name = "read-buckets"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = flatten([
      for place in local.data_places : [
        {
          Effect   = "Allow"
          Action   = "s3:GetObject"
          Resource = "arn:${local.partition}:s3:::${place.bucket}/${place.folder}*"
        },
        merge(
          { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:${local.partition}:s3:::${place.bucket}" },
          place.folder == "" ? {} : { Condition = { StringLike = { "s3:prefix" = "${place.folder}*" } } },
        ),
      ]
    ])
  })
}

resource "aws_iam_role_policy" "mount_file_system" {
  for_each = var.file_system == null ? {} : var.services

  name = "mount-file-system"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
      Resource  = var.file_system.arn
      Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = var.file_system.access_point_arn } }
    }]
  })
}

# The policies that a service brings along, as one.
resource "aws_iam_role_policy" "own" {
  for_each = { for service, needs in var.services : service => needs.policy if length(needs.policy) > 0 }

  name = "own"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [ # without their names, which two documents may share and IAM wants only once
      for statement in flatten([for document in each.value : jsondecode(document).Statement]) :
      { for key, value in statement : key => value if key != "Sid" }
    ]
  })
}
