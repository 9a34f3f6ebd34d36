# The workspace `{{ cookiecutter.workspace }}`. What is not said here has its default in variables*.tf.

# 12 digits; `invoke bootstrap --account NUMBER` records them.
account   = "{{ cookiecutter.account }}"
region    = "{{ cookiecutter.region }}"
workspace = "{{ cookiecutter.workspace }}"

# Network. The address range cannot be changed later. Availability zones: 2 to 4.
vpc_cidr = "10.0.0.0/16"
zones    = 2

# NAT: single is one gateway for all zones, per_zone survives the loss of one.
nat = "{{ cookiecutter.nat }}"

# Who may reach the jumpbox by SSH (nobody: no jumpbox), with which EC2 key pair (none: Session Manager).
jumpbox_cidrs = {{ cookiecutter.jumpbox_cidrs.replace(" ", "").split(",") | select | list | tojson }}
key_name      = ""

# Machines. `invoke bootstrap` pins the image. t3, m7i are x86_64; t4g, m7g are arm64, and so must the image
# and the containers be. OWS's own image is published for x86_64 (amd64) only: arm64 wants one of your own, in the
# FROM of image/Dockerfile. Leave room in max_size: a deployment runs old and new tasks side by side.
aws_ami       = ""
instance_type = "t3.medium"
min_size      = 1
max_size      = 4

# Database. AWS refuses to delete it, and a last snapshot stays when it goes.
db_deletion_protection   = true
db_skip_final_snapshot   = false
db_backup_retention_days = 7
db_instance_class        = "db.t4g.medium"
db_storage               = 20    # GiB at the start; grows by itself to four times that
db_multi_az              = false # true: a standby in a second zone, for twice the price

# Data: efs, s3 or both; and the S3 buckets, or bucket/folder, that the services may read.
storage      = "{{ cookiecutter.storage }}"
data_buckets = []

# What is served: products of the Open Data Cube, and where their datasets are. The sample lies in the image; yours
# are in a bucket: { source = "s3://bucket/folder", pattern = "*.odc-metadata.yaml" }.
products = ["image/products/*.yaml"]
index    = [{ source = "image/sample", pattern = "*.odc-metadata.yaml" }]

# Services. Their images are pinned by digest in {{ cookiecutter.workspace }}.images.tfvars.json.
services = {
  ows = {
    desired_count = 2
    cpu           = 512  # of 1024 a core
    memory        = 1536 # MiB; two of them fit a t3.medium
  }
}

# A private registry's login, for images outside ECR: the ARN of a secret {"username": "…", "password": "…"} in
# Secrets Manager (none: pulled without).
registry_credentials = ""

# Who may use the services, over HTTPS with an ACM certificate of this region (none: HTTP only).
alb_allowed_cidrs       = ["0.0.0.0/0"]
certificate_arn         = ""
alb_deletion_protection = true

# Chamber's key; the projects of an account may share it.
parameter_store_key_alias = "alias/parameter_store_key"

log_retention_days = 30
