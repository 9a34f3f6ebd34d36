# What a plan without AWS needs to be told: a region with three zones, an account, and ids of the right shape.

mock_data "aws_availability_zones" {
  defaults = { names = ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"] }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_region" {
  defaults = { name = "ap-southeast-2" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_kms_alias" {
  defaults = { target_key_id = "11111111-2222-3333-4444-555555555555" }
}

mock_data "aws_default_tags" {
  defaults = { tags = { Owner = "maps@example.com" } }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/mock" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/mock" }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:ap-southeast-2:123456789012:key/mock"
    key_id = "mock"
  }
}

mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/mock/1"
    dns_name = "mock.ap-southeast-2.elb.amazonaws.com"
  }
}

mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener/app/mock/1/2" }
}

mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/mock/1" }
}

mock_resource "aws_autoscaling_group" {
  defaults = { arn = "arn:aws:autoscaling:ap-southeast-2:123456789012:autoScalingGroup:mock:autoScalingGroupName/mock" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/mock:1" }
}

mock_resource "aws_efs_file_system" {
  defaults = {
    id  = "fs-mock"
    arn = "arn:aws:elasticfilesystem:ap-southeast-2:123456789012:file-system/fs-mock"
  }
}

mock_resource "aws_efs_access_point" {
  defaults = { arn = "arn:aws:elasticfilesystem:ap-southeast-2:123456789012:access-point/mock" }
}

mock_resource "aws_instance" {
  defaults = { public_ip = "203.0.113.10" }
}

mock_resource "aws_launch_template" {
  defaults = {
    id             = "lt-0123456789abcdef0"
    latest_version = 1
  }
}
