"""The images of ECS's tasks and where they come from."""

from __future__ import annotations

import docker_engine as engine

from mends import around_function, mend


@mend("ecs.local-images", "an image that is here is looked for in the internet before each start, and a missing one gives "
      "no CannotPullContainerError", containers=True)
def local_images() -> None:
    from ministack.services import ecs

    ecs._deployment_needs_first_task = lambda *arguments: False  # no registry is asked for what a tag means today

    @around_function(ecs, "_run_docker_container")
    def run(original, client, definition, wanted, *, refresh_image=False, auth_config=None, **more):
        if not _here(definition["image"]):
            _pull(definition["image"], wanted.get("platform"), auth_config)
        return original(client, definition, wanted, refresh_image=False, auth_config=auth_config, **more)


def _here(image: str) -> bool:
    from docker.errors import ImageNotFound, NullResource

    try:
        engine.client().images.get(image)
        return True
    except (ImageNotFound, NullResource):
        return False


def _pull(image: str, platform: str | None, credentials: dict | None) -> None:
    """Pull an image. Raises MiniStack's own error, whose task then says what AWS says."""
    from docker.errors import DockerException
    from ministack.services import ecs

    more = {"platform": platform} if platform else {}
    if credentials:
        more["auth_config"] = credentials
    if "@" not in image and ":" not in image.rsplit("/", 1)[-1]:
        more["tag"] = "latest"  # without a tag docker-py would pull them all
    try:
        engine.client(engine.PULL_PATIENCE).images.pull(image, **more)
    except (DockerException, OSError) as error:
        cause = getattr(error, "explanation", None) or str(error)
        raise ecs._ImagePullError(f"pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {cause}"
                                  ) from error
