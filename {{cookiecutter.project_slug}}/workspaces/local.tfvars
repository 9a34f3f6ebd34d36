# The workspace `local`: the embedded AWS on this machine. Small, and nothing is protected.

# The embedded AWS is always this account.
account   = "000000000000"
region    = "{{ cookiecutter.region }}"
workspace = "local"

# Network: availability zones (2 to 4), NAT gateways (single or per_zone), and who may reach the jumpbox by
# SSH (nobody: no jumpbox).
vpc_cidr      = "10.0.0.0/16"
zones         = 2
nat           = "{{ cookiecutter.nat }}"
jumpbox_cidrs = {{ cookiecutter.jumpbox_cidrs.replace(" ", "").split(",") | select | list | tojson }}

# Machines. The image is a stand-in: none starts here.
aws_ami       = ""
instance_type = "t3.medium"
min_size      = 1
max_size      = 2

# Database: nothing here is worth protecting or keeping.
db_instance_class        = "db.t4g.micro"
db_storage               = 20 # GiB
db_deletion_protection   = false
db_skip_final_snapshot   = true
db_backup_retention_days = 1

# Data: efs, s3 or both; and the S3 buckets, or bucket/folder, that the services may read.
storage      = "{{ cookiecutter.storage }}"
data_buckets = []

# What is served: products of the Open Data Cube, and where their datasets are.
products = ["image/products/*.yaml"]
index    = [{ source = "image/sample", pattern = "*.odc-metadata.yaml" }]

# Services. Their image is built from image/ on this machine.
services = {
  ows = {
    desired_count = 1
    cpu           = 256  # of 1024 a core
    memory        = 1024 # MiB

    health_check_grace_period = 60 # seconds; a bad revision is found out sooner than with the default
  }
}
alb_deletion_protection = false

log_retention_days = 1
