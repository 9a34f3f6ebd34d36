# AWS refuses windows that are short or overlap, but only at apply: here they are compared at plan.
# All in minutes; the backup comes every day, so both are laid on the clock of one day.

locals {
  day  = 24 * 60
  week = 7 * local.day
  days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

  backup = [
    for time in split("-", var.backup_window) : tonumber(split(":", time)[0]) * 60 + tonumber(split(":", time)[1])
  ]
  maintenance = [
    for time in split("-", var.maintenance_window) :
    index(local.days, split(":", time)[0]) * local.day + tonumber(split(":", time)[1]) * 60 + tonumber(split(":", time)[2])
  ]

  backup_length      = (local.backup[1] - local.backup[0] + local.day) % local.day
  maintenance_length = (local.maintenance[1] - local.maintenance[0] + local.week) % local.week

  windows_apart = (
    (local.maintenance[0] - local.backup[0] + local.week) % local.day >= local.backup_length &&
    (local.backup[0] - local.maintenance[0] + local.week) % local.day >= local.maintenance_length
  )
}
