"""The front door: the namespace that ``invoke --list`` shows, and nothing else."""

from invoke import Collection

from . import (
    chamber,
    deploy,
    destroy,
    doctor,
    drift,
    image,
    kms,
    local,
    logs,
    recover,
    removal,
    service,
    stack,
    state,
    wms,
    workspace,
)

namespace = Collection()
for task in (deploy.deploy, destroy.destroy, stack.init, stack.plan, stack.apply, stack.output, drift.drift,
             recover.recover, doctor.doctor):
    namespace.add_task(task)
bootstrap = Collection("bootstrap")
bootstrap.add_task(stack.bootstrap, name="make", default=True)  # `invoke bootstrap`
bootstrap.add_task(removal.remove)
namespace.add_collection(bootstrap)
for name, module in {"chamber": chamber, "docker": image, "kms": kms, "local": local, "logs": logs, "service": service,
                     "state": state, "wms": wms, "workspace": workspace}.items():
    namespace.add_collection(Collection.from_module(module, name=name))
