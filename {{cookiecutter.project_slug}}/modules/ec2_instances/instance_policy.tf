# What a container instance itself may do: join its cluster, answer Session Manager, write the six host logs.
# What a task may do is the task role's business (module `ecs_policy`).

locals {
  # IAM names are not regional. Over AWS's 64 characters: the first 24, and 7 digits of the whole name's SHA-1.
  role_name       = "${var.name}-${data.aws_region.current.name}-ecs-instance"
  short_role_name = length(local.role_name) <= 64 ? local.role_name : "${substr(local.role_name, 0, 24)}-${substr(sha1(local.role_name), 0, 7)}"
  managed_policy  = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_iam_role" "ecs_instance_role" {
  name = local.short_role_name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "ecs_ec2_role" {
  role       = aws_iam_role.ecs_instance_role.name
  policy_arn = "${local.managed_policy}/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.ecs_instance_role.name
  policy_arn = "${local.managed_policy}/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "host_logs" {
  name = "host-logs"
  role = aws_iam_role.ecs_instance_role.id

  # without CreateLogGroup: a group that Terraform deleted must not come back without its retention
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = [
        for group in values(local.log_files) :
        "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:${group}:*"
      ]
    }]
  })
}

resource "aws_iam_instance_profile" "ecs" {
  name = local.short_role_name
  role = aws_iam_role.ecs_instance_role.name
}
