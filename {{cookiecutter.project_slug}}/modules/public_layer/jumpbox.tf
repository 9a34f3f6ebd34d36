# The jumpbox: a small machine from which the database and the container instances can be reached by SSH.
# Switched off it leaves nothing behind.

locals {
  jumpboxes = var.enable_jumpbox ? 1 : 0
}

data "aws_ssm_parameter" "jumpbox_ami" {
  count = local.jumpboxes

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_security_group" "jump_ssh_sg" {
  count = local.jumpboxes

  name_prefix = "${var.name}-jumpbox-"
  description = "Jumpbox: SSH from the networks that may use it"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-jumpbox" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "jump_ssh" {
  for_each = var.enable_jumpbox ? var.jumpbox_cidrs : []

  security_group_id = aws_security_group.jump_ssh_sg[0].id
  description       = "SSH"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "jump_all" {
  count = local.jumpboxes

  security_group_id = aws_security_group.jump_ssh_sg[0].id
  description       = "Everywhere"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_instance" "jumpbox" {
  count = local.jumpboxes

  ami                    = data.aws_ssm_parameter.jumpbox_ami[0].insecure_value
  instance_type          = var.jump_instance_type
  subnet_id              = aws_subnet.public[local.zones[0]].id
  vpc_security_group_ids = [aws_security_group.jump_ssh_sg[0].id]
  key_name               = var.key_name == "" ? null : var.key_name

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
  }

  tags = { Name = "${var.name}-jumpbox" }

  lifecycle {
    ignore_changes = [ami] # Amazon moves "latest" every few weeks; people are logged in here
  }
}
