"""Answers as data: the variants of the project that are baked, and answers that must be refused."""

from __future__ import annotations

GIT_MODULES = "git::https://git.example.com/maps/stack.git//modules?ref=v1.2.0"

# Every value of every choice stands in one of these, and every free question is changed in one.
VARIANTS: dict[str, dict[str, str]] = {
    "defaults": {},
    "own-names": {
        "project_name": "Atlas of Wetlands",
        "project_slug": "wetlands",
        "owner": "wetlands+ops@maps.example.org",
        "region": "eu-central-1",
        "cluster": "atlas",
        "workspace": "prod",
        "account": "210987654321",
        "state_bucket": "maps.example.org-terraform",
        "image_repository": "ghcr.io/example/wetlands",
    },
    "buckets": {"storage": "s3", "nat": "per_zone"},
    "both-storages": {"storage": "both", "nat": "single", "jumpbox_cidrs": "203.0.113.0/24, 198.51.100.7/32"},
    "modules-from-git": {"storage": "efs", "module_source": GIT_MODULES},
    "longest-names": {
        "project_name": "The name of a project may be as long as sixty characters are",
        "project_slug": "a" * 28,
        "cluster": "c" * 28,
        "workspace": "w" * 16,
        "region": "ap-northeast-1",
        "account": "999999999999",
    },
}

# One changed answer for each question, the rest as in the defaults.
CHANGED: dict[str, str] = {
    "project_name": "Another name",
    "project_slug": "another",
    "owner": "another@example.com",
    "region": "us-west-2",
    "cluster": "another",
    "workspace": "prod",
    "account": "210987654321",
    "state_bucket": "another-bucket",
    "image_repository": "ghcr.io/example/another",
    "storage": "s3",
    "nat": "per_zone",
    "jumpbox_cidrs": "203.0.113.0/24",
    "module_source": GIT_MODULES,
}

HOSTILE = (
    'say "x"', "it's", "a\\b", "{{ 7*7 }}", "{{ cookiecutter }}", "{% if %}", "{# x", "{{", "a\nb", "a\r\nb", "a\tb",
    "${path.root}", "%{ if true }", "a: b", "- a", "# a", "a #b", "!!python/object:os.system", "*a", "&a", "é", "地図",
    "🎉", "\u202eabc", "a\u200bb", "\x1b[31m", "\x00", "$(id)", "`id`", "a;b", "a|b", "<b>", "../x", "/etc", "x" * 5000,
)  # fmt: skip

_BAD_NAMES = (
    "", " ", "ab", "a" * 29, "Maps", "maps_wms", "maps wms", "-maps", "maps-", "maps--wms", "1maps", "maps.wms",
    "..", ".", "../maps", "../../maps", "/maps", "/etc/maps", "maps/../..", "maps/wms", "./maps", "~", "~/maps", "CON",
    "aws-maps", "awsome", "ssm-maps", "ecs-maps", "fargate-maps", "internal-maps", "sg-maps", "maps\n", "\tmaps",
)  # fmt: skip

BAD_ANSWERS: dict[str, tuple[str, ...]] = {
    "project_name": (
        "", " ", " Maps", "Maps ", "x" * 61, "a\nb", "a\tb", "\x07", "a\u200bb", "\u202emaps",
        "{{ 7*7 }}", "{% raw %}", "{# no", "{{ cookiecutter.owner }}", "{{",
    ),
    "project_slug": (*_BAD_NAMES, *HOSTILE),
    "owner": ("", "maps", "@example.com", "maps@", "maps@localhost", "a b@example.com", "o'brien@example.com",
              "maps@example.com\n", "a@b@example.com", "é@example.com", ".a@example.com", "maps@-a.com", *HOSTILE),
    "region": ("", "ap-southeast2", "ap-southest-2", "Sydney", "AP-SOUTHEAST-2", "ap-southeast-2a", "us-east-0",
               "cn-north-1", "eu-central-1 ", *HOSTILE),
    "cluster": (*_BAD_NAMES, *HOSTILE),
    "workspace": ("", "local", "default", "admin", "dev-admin", "w" * 17, "Dev", "dev_1", "1dev", "dev-", "dev--a",
                  "../dev", "dev/a", "dev.images", *HOSTILE),
    "account": ("12345678901", "1234567890123", "1234-5678-9012", "12345678901a", "000000000000", " 123456789012",
                "123456789012\n", "１２３４５６７８９０１２", *HOSTILE),
    "state_bucket": ("ab", "a" * 64, "Bucket", "a_b_c", "-abc", "abc-", "a..b", "a.-b", "192.168.0.1", "xn--abc",
                     "sthree-abc", "amzn-s3-demo-abc", "abc-s3alias", "abc--ol-s3", "s3://abc", *HOSTILE),
    "image_repository": ("", "ECR", "ows", "ghcr.io/org/name:latest", "ghcr.io/org/name@sha256:" + "0" * 64,
                         "https://ghcr.io/org/name", "ghcr.io/Org/name", "ghcr.io//name", "ghcr.io/org/", "/org/name",
                         "a b/c", "org/" + "x" * 300, *HOSTILE),
    "jumpbox_cidrs": ("0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/1", "128.0.0.0/2", "10.0.0.0/7", "::/0",
                      "2001:db8::/32", "203.0.113.7", "203.0.113.7/24", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8,",
                      "10.0.0.0/8 192.168.0.0/16", "10.0.0.0/8,\t192.168.0.0/16",
                      "10.0.0.0/8;192.168.0.0/16", "everyone", "10.0.0.0/-8",
                      "10.0.0.0/255.0.0.0", "010.0.0.0/8", "10.0.0.0/8, 10.1.0.0/16", "10.0.0.0/8, 10.0.0.0/8",
                      ",".join(f"{first}.0.0.0/8" for first in range(1, 22)), *HOSTILE),
    "module_source": ("", "modules", "../modules", "./modules/vpc", "./other", "/srv/modules", "~/modules",
                      "https://git.example.com/a.git", "git::http://git.example.com/a.git", "git.example.com/a.git",
                      "github.com/org/repo//modules", "git::https://user:secret@git.example.com/a.git//modules",
                      "git::https://git.example.com/../a.git", "git::https://git.example.com/a.git//../modules?ref=v1",
                      "git::https://git.example.com/a.git//modules?ref=v1&x=$(id)", "git::file://relative/modules",
                      'git::https://git.example.com/a.git//modules?ref=v1"', "git::https://git.example.com/a b.git",
                      "git::https://git.example.com/a.git//modules?ref=v1\nx", "s3::https://s3.amazonaws.com/b/k.zip",
                      "git::https://git.example.com/${path.root}.git", "terraform-aws-modules/vpc/aws", *HOSTILE),
}  # fmt: skip
