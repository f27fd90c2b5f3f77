// A height field lit from above; colours run through the page's four stops.
struct View {
  camera: mat4x4<f32>,
  stops: array<vec4<f32>, 4>,
}

@group(0) @binding(0) var<uniform> view: View;

struct Corner {
  @builtin(position) clip: vec4<f32>,
  @location(0) place: vec3<f32>,
  @location(1) share: f32,
}

@vertex
fn corner(@location(0) place: vec3<f32>, @location(1) share: f32) -> Corner {
  return Corner(view.camera * vec4(place, 1.0), place, share);
}

fn colour(share: f32) -> vec3<f32> {
  let at = clamp(share, 0.0, 1.0) * 3.0;
  let low = min(u32(at), 2u);
  return mix(view.stops[low].rgb, view.stops[low + 1u].rgb, at - f32(low));
}

@fragment
fn surface(point: Corner) -> @location(0) vec4<f32> {
  let normal = normalize(cross(dpdx(point.place), dpdy(point.place)));
  let light = 0.72 + 0.28 * abs(dot(normal, normalize(vec3(0.3, 0.85, 0.4))));
  return vec4(colour(point.share) * light, 1.0);
}
