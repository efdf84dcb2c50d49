const code = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = y[id.x % 256u];
  var a = k; var b = k + 1.0; var c = k + 2.0; var d = k + 3.0;
  for (var i = 0u; i < 4096u; i++) {
    a = fma(a, k, k); b = fma(b, k, k); c = fma(c, k, k); d = fma(d, k, k);
  }
  if (a.x == 12345.0) { y[id.x % 256u] = a + b + c + d; }
}`;

/**
 * Makes a function that queues about two milliseconds of work (on a data-centre card). A card that waits for the host lowers its clock at once, and
 * small kernels, which take less than recording them, would be timed at half of it.
 */
export function heater(device: GPUDevice): () => void {
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const buffer = device.createBuffer({ size: 4096, usage: 128 });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  return () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(4096);
    pass.end();
    device.queue.submit([encoder.finish()]);
  };
}
