"""The front door: the namespace that ``invoke --list`` shows, and nothing else."""

from invoke import Collection

from . import chamber, deploy, doctor, drift, image, kms, local, logs, recover, service, stack, state, wms, workspace

namespace = Collection()
for task in (deploy.deploy, stack.bootstrap, stack.init, stack.plan, stack.apply, stack.output, drift.drift, recover.recover,
             doctor.doctor):
    namespace.add_task(task)
for name, module in {"chamber": chamber, "docker": image, "kms": kms, "local": local, "logs": logs, "service": service,
                     "state": state, "wms": wms, "workspace": workspace}.items():
    namespace.add_collection(Collection.from_module(module, name=name))
