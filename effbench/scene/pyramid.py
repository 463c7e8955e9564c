"""Views at a fraction of their resolution, as coarse-to-fine training draws from them."""

from __future__ import annotations

from effbench.errors import ConfigError
from effbench.scene.contract import Views
from effbench.scene.readers import box_downscale


def downscaled(views: Views, factor: int) -> Views:
    """Return views whose pixels are the means of blocks of factor×factor, seen by cameras reduced
    alike. Rows and columns at the lower and right edge that fill no block are left out.

    Raises ConfigError where an image has no block at all.
    """
    images, cameras = [], []
    for index, camera in enumerate(views.cameras):
        height, width = camera.height // factor, camera.width // factor
        if not (height and width):
            raise ConfigError(
                f"images of {camera.width}×{camera.height} have no blocks of {factor}×{factor} "
                "pixels: use larger ones"
            )
        whole = views.image(index)[: height * factor, : width * factor]
        images.append(box_downscale(whole, factor))
        cameras.append(camera.reduced(factor))
    return Views.of(images, views.poses, cameras, views.names, views.times)
