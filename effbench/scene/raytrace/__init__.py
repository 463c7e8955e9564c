"""An analytic ray tracer: the ground truth of procedural scenes, without any download.

Nothing but + − × ÷ √ in float64 and without fast-math touches a pixel, so that images are the
same on every machine.
"""
