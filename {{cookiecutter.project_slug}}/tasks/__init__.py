"""The front door: the namespace that ``invoke --list`` shows, and nothing else."""

from invoke import Collection

from . import deploy, doctor, kms, local, stack, state, workspace

namespace = Collection()
for task in (deploy.deploy, stack.bootstrap, stack.init, stack.plan, stack.apply, stack.output, doctor.doctor):
    namespace.add_task(task)
for name, module in {"kms": kms, "local": local, "state": state, "workspace": workspace}.items():
    namespace.add_collection(Collection.from_module(module, name=name))
