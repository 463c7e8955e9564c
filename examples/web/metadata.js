// What an exported file says of itself. onnxruntime-web does not hand a model's metadata on, so it
// is read from the file: an ONNX model is a protocol buffer whose fields 14 (metadata_props) are
// pairs of strings, key (1) and value (2).

const KEY = "effbench";
const METADATA_PROPS = 14;

/** Return the object that `effbench export` wrote into a model (Uint8Array). */
export function readInfo(bytes) {
  const text = new TextDecoder();
  for (const [field, entry] of fields(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const pair = Object.fromEntries(fields(entry));
    if (text.decode(pair[1]) === KEY) return JSON.parse(text.decode(pair[2]));
  }
  throw new Error("this file was not written by `effbench export`");
}

/** Yield [number, bytes] of a message's length-delimited fields. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length) throw new Error("the file ends too soon: it is no ONNX model");
      const byte = bytes[at++];
      value += (byte & 127) * factor; // not shifted: lengths may exceed 31 bits
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error("the file is no ONNX model");
  }
}
