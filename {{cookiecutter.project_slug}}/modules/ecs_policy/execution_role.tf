# What ECS does in a task's name before and around it: pull the image (from ECR, or with the login in a secret),
# write the log.

locals {
  # 123456789012.dkr.ecr.REGION.amazonaws.com/NAME@sha256:... -> the repository's ARN; other registries have none
  ecr_images = [
    for needs in values(var.services) :
    regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/(?P<name>[^:@]+)", needs.image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", needs.image))
  ]
  repositories = sort(distinct([
    for image in local.ecr_images : "arn:${local.partition}:ecr:${image.region}:${image.account}:repository/${image.name}"
  ]))

  write_logs = [{
    Sid    = "WriteTheLogs"
    Effect = "Allow"
    Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = [
      for needs in values(var.services) :
      "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${needs.log_group}:*"
    ]
  }]

  pull_images = length(local.repositories) == 0 ? [] : [
    {
      Sid      = "PullTheImages"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = local.repositories
    },
    {
      Sid      = "LogIn"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"] # AWS knows no narrower one
    },
  ]

  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
  logins = sort(distinct(compact(values(var.services)[*].registry_credentials)))
  read_logins = length(local.logins) == 0 ? [] : [{
    Sid      = "ReadTheRegistrysLogin"
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = local.logins
  }]
}

resource "aws_iam_role" "execution" {
  name               = local.role_names["execution"]
  assume_role_policy = local.assumed_by_tasks
}

resource "aws_iam_role_policy" "execution" {
  name = "execution"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.write_logs, local.pull_images, local.read_logins)
  })
}
