"""Whose containers are whose, and what becomes of them when the server ends."""

from __future__ import annotations

import docker_engine as engine

from mends import around_function, mend


@mend("engine.own-containers", "a server on another port leaves its containers behind, and one on the same port takes a "
      "stranger's away", containers=True)
def own_containers() -> None:
    from ministack.core import container_reaper

    container_reaper.instance_id = lambda: engine.here.instance

    @around_function(container_reaper, "reap_all")
    def only_at_the_end(original, client, stop_timeout=2, include_unlabelled=False):
        # MiniStack sweeps at its start as well; serve.py did, before the account came back with its containers.
        return 0 if include_unlabelled else engine.sweep()


@mend("engine.orderly-end", "while the server stops its tasks, the services start new ones, and those that it stops count "
      "as failures", containers=True)
def orderly_end() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_run_docker_container")
    def not_any_more(original, *arguments, **more):
        if engine.closing.is_set():
            raise RuntimeError("the embedded AWS is stopping")
        return original(*arguments, **more)

    for name in ("_record_service_task_failure", "_reconcile_service_tasks", "_mark_task_stopped", "_maybe_mark_stopped"):
        @around_function(ecs, name)
        def left_alone(original, *arguments, **more):
            return None if engine.closing.is_set() else original(*arguments, **more)
