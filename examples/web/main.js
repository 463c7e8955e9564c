// Renders an exported model with onnxruntime-web, a new frame whenever the camera has moved.

import { pose, rays } from "./camera.js";
import { readInfo } from "./metadata.js";

const RAYS_PER_CALL = 2048; // bounds the memory of a model that takes rays
const RADIANS_PER_PIXEL = 0.01;
const MARGIN = 0.05; // radians beyond the training cameras, which a model has not seen
const DIST = "./node_modules/onnxruntime-web/dist/";

const wanted = new URLSearchParams(location.search);
const provider = await chosen(wanted.get("provider"));
const ort = await import(`${DIST}ort.${provider}.bundle.min.mjs`);
ort.env.wasm.wasmPaths = new URL(DIST, import.meta.url).href;
// threads need a cross-origin isolated page; see README.md
ort.env.wasm.numThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;

const canvas = document.getElementById("view");
const status = document.getElementById("status");
const camera = { azimuth: 0, elevation: 0 };
let model = null; // { session, info }
let moved = false;
let rendering = false;

// What has been drawn, for whoever looks at the page from outside.
const viewer = { frames: 0, milliseconds: null, turned: null, provider, camera, error: null };
window.viewer = viewer;

/** Return "webgpu" where the browser has a GPU for it, else "wasm", or what the address asks for. */
async function chosen(name) {
  if (name === "webgpu" || name === "wasm") return name;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  // a fallback computes on the processor, and slower than WebAssembly does
  const isFallback = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter;
  return adapter && !isFallback ? "webgpu" : "wasm";
}

async function open(bytes) {
  const info = readInfo(bytes);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
  model = { session, info };
  canvas.width = info.intrinsics.width;
  canvas.height = info.intrinsics.height;
  camera.azimuth = 0;
  camera.elevation = (info.orbit.elevation[0] + info.orbit.elevation[1]) / 2;
  document.getElementById("title").textContent =
    `${info.method} on ${info.scene} · ${(bytes.length / 1e6).toFixed(2)} MB, ${info.precision}`;
  await draw();
}

/** Return the image of a camera, Float32Array [H, W, 3] in [0, 1]. */
async function render({ session, info }, at) {
  if (info.takes === "camera") {
    const { image } = await session.run({ pose: new ort.Tensor("float32", at, [3, 4]) });
    return image.data;
  }
  const { origins, directions } = rays(at, info.intrinsics);
  const image = new Float32Array(origins.length);
  for (let start = 0; start < origins.length; start += 3 * RAYS_PER_CALL) {
    const part = (all) => {
      const chunk = all.subarray(start, start + 3 * RAYS_PER_CALL);
      return new ort.Tensor("float32", chunk, [chunk.length / 3, 3]);
    };
    const { color } = await session.run({ origins: part(origins), directions: part(directions) });
    image.set(color.data, start);
  }
  return image;
}

/** Draw until the camera has stopped moving, one frame at a time. */
async function draw() {
  moved = true;
  if (rendering) return;
  rendering = true;
  try {
    while (moved) {
      moved = false;
      const began = performance.now();
      const image = await render(model, pose(model.info.orbit, camera.azimuth, camera.elevation));
      viewer.milliseconds = performance.now() - began;
      show(image);
      viewer.frames += 1;
      status.className = "";
      status.textContent = said(viewer.milliseconds);
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    fail(error);
  } finally {
    rendering = false;
  }
}

/** Return what the status line says of frames that take so many milliseconds. */
function said(milliseconds) {
  const threads = ort.env.wasm.numThreads;
  const by = provider === "webgpu" ? "WebGPU" : `WebAssembly, ${threads} thread${threads > 1 ? "s" : ""}`;
  return (
    `${canvas.width}×${canvas.height}, ${milliseconds.toFixed(1)} ms per frame ` +
    `(${(1000 / milliseconds).toFixed(1)} FPS), ${by}`
  );
}

/** Turn once around the scene in `frames` frames, and say how many of them a second has. */
async function measure(frames) {
  const times = [];
  const began = performance.now();
  for (let frame = 0; frame < frames; frame++) {
    camera.azimuth += (2 * Math.PI) / frames;
    await draw();
    times.push(viewer.milliseconds);
  }
  const fps = (1000 * frames) / (performance.now() - began); // with drawing and the browser's waits
  const median = times.sort((a, b) => a - b)[Math.floor(frames / 2)];
  viewer.turned = { frames, median, fps };
  status.textContent = `${said(median)}, the median of ${frames}; ${fps.toFixed(1)} FPS drawn`;
}

function show(image) {
  const pixels = new ImageData(canvas.width, canvas.height);
  for (let i = 0, j = 0; i < image.length; i += 3, j += 4) {
    pixels.data[j] = image[i] * 255; // clamped and rounded by the array's type
    pixels.data[j + 1] = image[i + 1] * 255;
    pixels.data[j + 2] = image[i + 2] * 255;
    pixels.data[j + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function turn(azimuth, elevation) {
  if (model === null) return;
  const [low, high] = model.info.orbit.elevation;
  camera.azimuth += azimuth;
  camera.elevation = Math.min(Math.max(camera.elevation + elevation, low - MARGIN), high + MARGIN);
  draw();
}

function fail(error) {
  viewer.error = error.message;
  status.className = "failed";
  status.textContent = `The model cannot be shown: ${error.message}`;
}

canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  turn(-event.movementX * RADIANS_PER_PIXEL, event.movementY * RADIANS_PER_PIXEL);
});
canvas.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  turn(step[0] * 0.1, step[1] * 0.1);
});
document.getElementById("file").addEventListener("change", async (event) => {
  try {
    await open(new Uint8Array(await event.target.files[0].arrayBuffer()));
  } catch (error) {
    fail(error);
  }
});

try {
  const url = wanted.get("model") ?? "model.onnx";
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  await open(new Uint8Array(await response.arrayBuffer()));
  const frames = Number(wanted.get("frames") ?? 0);
  if (frames > 0 && viewer.error === null) await measure(frames);
} catch (error) {
  fail(error);
}
