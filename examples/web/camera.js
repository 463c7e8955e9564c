// Cameras around a scene, as `Orbit` of effbench/export/model.py has them, and their rays.

const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Return a pose, Float32Array [3, 4] camera to world, that looks at the orbit's centre. */
export function pose(orbit, azimuth, elevation) {
  const [x, y, up] = orbit.axes;
  const cos = Math.cos(elevation);
  const back = [0, 1, 2].map(
    (i) => cos * (Math.cos(azimuth) * x[i] + Math.sin(azimuth) * y[i]) + Math.sin(elevation) * up[i],
  );
  const right = cross(up, back).map((v) => v / cos);
  const above = cross(back, right);
  const eye = orbit.center.map((c, i) => c + orbit.radius * back[i]);
  return Float32Array.from([0, 1, 2].flatMap((i) => [right[i], above[i], back[i], eye[i]]));
}

/** Return origins and unit directions, Float32Array [H·W, 3] each, through all pixel centres. */
export function rays(pose, camera) {
  const { width, height, fx, fy, cx, cy } = camera;
  const origins = new Float32Array(width * height * 3);
  const directions = new Float32Array(width * height * 3);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += 3) {
      const local = [(column + 0.5 - cx) / fx, -(row + 0.5 - cy) / fy, -1];
      const length = Math.hypot(...local); // a rotation keeps it
      for (let i = 0; i < 3; i++) {
        const axis = 4 * i;
        directions[at + i] =
          (pose[axis] * local[0] + pose[axis + 1] * local[1] + pose[axis + 2] * local[2]) / length;
        origins[at + i] = pose[axis + 3];
      }
    }
  }
  return { origins, directions };
}
