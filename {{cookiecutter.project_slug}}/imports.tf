# Chamber's key is older than this stack and may outlive it: it is adopted where the alias leads, never made.
# `invoke bootstrap` makes both where they are missing.

data "aws_kms_alias" "parameter_store_key" {
  name = var.parameter_store_key_alias
}

import {
  to = module.ecs_policy.aws_kms_key.parameter_store_key
  id = data.aws_kms_alias.parameter_store_key.target_key_id
}

import {
  to = module.ecs_policy.aws_kms_alias.parameter_store_key
  id = var.parameter_store_key_alias
}
