// A CUDA device as a Device: uploads, launches, downloads. Products that the wgmma kernel computes go there, all else to the general kernels.

#include "../device.h"

#include <cuda_runtime.h>

#include <chrono>
#include <cstring>

#include "../host/kernels.h"
#include "../inputs.h"
#include "../tiles.h"
#include "api.h"
#include "check.h"
#include "compute.h"
#include "transfer.h"

namespace fp8lab {

namespace {

using cuda::Buffer;
using cuda::check;
using cuda::download;
using cuda::finish;
using cuda::MatrixView;
using cuda::upload;
using cuda::upload_rows;
using host::Quantized;

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/** A matrix on the device for the general kernels. */
struct Matrix {
  Buffer lanes;
  Buffer factors;
  MatrixView view;
};

Matrix upload_matrix(const Tensor& tensor, const std::string& where) {
  Matrix matrix{upload(tensor.lanes.data(), tensor.lanes.bytes(), where), {}, {}};
  FormatId format;
  if (!format_of_dtype(tensor.dtype, format)) {
    throw input_error("wrong-dtype", "a tensor of dtype " + std::string(info_of(tensor.dtype).name) + " cannot be read as numbers", where,
                      "give F32, BF16, F16 or an FP8, FP6 or FP4 dtype");
  }
  matrix.view = {matrix.lanes.as(), tensor.lanes.width(), format, tensor.shape[0], tensor.shape[1], nullptr, 1, 1};
  return matrix;
}

Matrix upload_quantized(const Quantized& quantized, const Scheme& scheme, const std::string& where) {
  Matrix matrix = upload_matrix(*quantized.codes, where);
  const TileGrid grid = tile_grid(matrix.view.rows, matrix.view.columns, scheme);
  const std::vector<u32> factors = host::tile_factors(quantized, scheme);
  matrix.factors = upload(factors.data(), static_cast<i64>(factors.size()) * 4, where);
  matrix.view.format = scheme.format;
  matrix.view.factors = matrix.factors.as<u32>();
  matrix.view.tile_rows = grid.tile_rows;
  matrix.view.tile_columns = grid.tile_columns;
  return matrix;
}

Quantized quantize(const Matrix& x, const Scheme& scheme, const std::string& where) {
  const i64 rows = x.view.rows, columns = x.view.columns;
  const TileGrid grid = tile_grid(rows, columns, scheme);
  const DType dtype = dtype_of(scheme.format);
  Buffer codes(rows * columns * lane_bytes(dtype), where);
  Buffer scales(grid.rows * grid.columns * 4, where);
  Buffer tensor_scale(4, where);
  const cuda::QuantizeTarget target{codes.as(), lane_bytes(dtype), scales.as<u32>(), grid.columns, 1};
  const bool two_level = scheme.recipe == Recipe::nvfp4;
  if (!launch_quantize_fast(x.view, scheme, target, nullptr, where)) {
    launch_quantize_general(x.view, scheme, target, two_level ? tensor_scale.as<u32>() : nullptr, nullptr, where);
  }
  finish(where);
  Quantized quantized;
  quantized.codes = std::make_shared<Tensor>(download(codes, dtype, {rows, columns}, where));
  std::vector<u32> stored(static_cast<std::size_t>(grid.rows * grid.columns));
  check(cudaMemcpy(stored.data(), scales.as(), stored.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy", where);
  scales.require_guard(where);
  quantized.scales = std::make_shared<Tensor>(store_scales(stored.data(), grid, scheme));
  if (two_level) quantized.tensor_scale = std::make_shared<Tensor>(download(tensor_scale, DType::F32, {1}, where));
  return quantized;
}

/** An operand's codes and scales, quantized on the device where they are not given. */
Quantized operand(const std::string& name, const OperandSpec& spec, const Tensors& inputs, i64 rows, i64 columns, const std::string& where) {
  const OperandNames names = operand_names(name);
  if (inputs.count(names.scales) != 0 || spec.codes) return host::quantized_operand(name, spec, inputs, rows, columns, 0);
  const Tensor& x = require_tensor(inputs, name);
  require_shape(name, x, {rows, columns});
  return quantize(upload_matrix(x, where), spec.scheme, where);
}

Tensor moved(std::shared_ptr<const Tensor> tensor) { return std::move(const_cast<Tensor&>(*tensor)); }

Tensors quantized_tensors(Quantized quantized) {
  Tensors tensors;
  tensors.emplace("codes", moved(quantized.codes));
  tensors.emplace("scales", moved(quantized.scales));
  if (quantized.tensor_scale) tensors.emplace("tensor_scale", moved(quantized.tensor_scale));
  return tensors;
}

/** Whether a scheme's scales are constant along each 128 of k. */
bool constant_along_steps(const Scheme& scheme, i64 k) { return scheme.tile_columns == 0 || scheme.tile_columns % cuda::block_k == 0 || scheme.tile_columns >= k; }

/** Whether the wgmma kernel computes exactly this arithmetic. */
bool is_wgmma(const GemmSpec& spec) {
  const Arithmetic& arithmetic = spec.arithmetic;
  const Model& model = arithmetic.model;
  const bool step = model.kind == ModelKind::aligned && model.fraction_bits == 13 && model.terms == 32 && model.output == StepOutput::e8m13 &&
                    model.order == TermOrder::linear;
  const bool promotion = arithmetic.promote_every == cuda::block_k && arithmetic.combine == Combine::scales_first && arithmetic.promote == Promote::fused;
  const bool formats = spec.a.scheme.format == FormatId::e4m3 && spec.b.scheme.format == FormatId::e4m3;
  const bool sizes = spec.m < 0x7fffffff - 256 && spec.n < 0x7fffffff - 256 && spec.k < 0x7fffffff - 256;
  return step && promotion && formats && sizes && constant_along_steps(spec.a.scheme, spec.k) && constant_along_steps(spec.b.scheme, spec.k);
}

/** Factors as the wgmma kernel reads them: [k / 128, rows padded to 4], one for every `rows_per_scale` rows. */
std::vector<u32> staged_scales(const Quantized& quantized, const Scheme& scheme, i64 rows_per_scale, i64& stride) {
  const i64 rows = quantized.codes->shape[0], k = quantized.codes->shape[1];
  const TileGrid grid = tile_grid(rows, k, scheme);
  const std::vector<u32> factors = host::tile_factors(quantized, scheme);
  const i64 count = (rows + rows_per_scale - 1) / rows_per_scale, steps = (k + cuda::block_k - 1) / cuda::block_k;
  stride = (count + 3) / 4 * 4;
  std::vector<u32> staged(static_cast<std::size_t>(steps * stride));
  for (i64 step = 0; step < steps; step++) {
    for (i64 i = 0; i < count; i++) {
      const i64 tile = i * rows_per_scale / grid.tile_rows * grid.columns + step * cuda::block_k / grid.tile_columns;
      staged[static_cast<std::size_t>(step * stride + i)] = factors[static_cast<std::size_t>(tile)];
    }
  }
  return staged;
}

Tensor gemm_wgmma(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Matrix* c, const std::string& where) {
  const bool narrow = spec.output == FormatId::bf16;
  const i64 unit = narrow ? 8 : 4, d_stride = (spec.n + unit - 1) / unit * unit, stride = (spec.k + 15) / 16 * 16;
  const bool blocks = spec.b.scheme.tile_rows == 128 || (spec.b.scheme.tile_rows == 0 && spec.n <= 128);
  cuda::GemmLaunch launch;
  launch.where = where;
  launch.problem.m = static_cast<int>(spec.m);
  launch.problem.n = static_cast<int>(spec.n);
  launch.problem.k = static_cast<int>(spec.k);
  launch.scales_b = blocks ? cuda::ScalesB::block : cuda::ScalesB::row;
  const Buffer codes_a = upload_rows(*a.codes, stride, where), codes_b = upload_rows(*b.codes, stride, where);
  const std::vector<u32> staged_a = staged_scales(a, spec.a.scheme, 1, launch.a.scale_stride);
  const std::vector<u32> staged_b = staged_scales(b, spec.b.scheme, blocks ? 128 : 1, launch.b.scale_stride);
  const Buffer scales_a = upload(staged_a.data(), static_cast<i64>(staged_a.size()) * 4, where);
  const Buffer scales_b = upload(staged_b.data(), static_cast<i64>(staged_b.size()) * 4, where);
  const i64 width = narrow ? 2 : 4;
  const Buffer d(spec.m * d_stride * width, where);
  Buffer added;
  if (c != nullptr) {
    added = Buffer(spec.m * spec.n * 4, where);
    launch_dequantize(c->view, added.as(), FormatId::f32, nullptr, where);
    launch.problem.c = added.as<float>();
  }
  launch.a.codes = codes_a.as<u8>();
  launch.b.codes = codes_b.as<u8>();
  launch.a.stride = launch.b.stride = stride;
  launch.a.scales = scales_a.as<float>();
  launch.b.scales = scales_b.as<float>();
  launch.d = d.as();
  launch.d_stride = d_stride;
  launch.output = narrow ? FormatId::bf16 : FormatId::f32;
  launch_gemm(launch, nullptr);
  finish(where);
  d.require_guard(where);
  Tensor result = allocate_result(narrow ? DType::BF16 : DType::F32, {spec.m, spec.n});
  check(cudaMemcpy2D(result.lanes.data(), static_cast<std::size_t>(spec.n * width), d.as(), static_cast<std::size_t>(d_stride * width),
                     static_cast<std::size_t>(spec.n * width), static_cast<std::size_t>(spec.m), cudaMemcpyDeviceToHost),
        "cudaMemcpy2D", where);
  if (spec.output == FormatId::bf16 || spec.output == FormatId::f32) return result;
  // f16 is rounded once from the f32 sums.
  const Matrix wide = upload_matrix(result, where);
  Buffer out(spec.m * spec.n * 2, where);
  launch_dequantize(wide.view, out.as(), spec.output, nullptr, where);
  finish(where);
  return download(out, dtype_of(spec.output), {spec.m, spec.n}, where);
}

Tensor gemm_general(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Matrix* c, const std::string& where) {
  const Matrix side_a = upload_quantized(a, spec.a.scheme, where), side_b = upload_quantized(b, spec.b.scheme, where);
  const DType dtype = dtype_of(spec.output);
  Buffer d(spec.m * spec.n * lane_bytes(dtype), where);
  cuda::launch_gemm_general({side_a.view, side_b.view, c == nullptr ? MatrixView{} : c->view, spec.arithmetic, spec.output, d.as()}, nullptr, where);
  finish(where);
  return download(d, dtype, {spec.m, spec.n}, where);
}

}  // namespace

namespace cuda {

Tensors compute(const QuantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.columns});
  return quantized_tensors(quantize(upload_matrix(x, at), spec.scheme, at));
}

Tensors compute(const DequantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Matrix x = upload_quantized(operand("x", spec.x, inputs, spec.rows, spec.columns, at), spec.x.scheme, at);
  const DType dtype = dtype_of(spec.output);
  Buffer out(spec.rows * spec.columns * lane_bytes(dtype), at);
  launch_dequantize(x.view, out.as(), spec.output, nullptr, at);
  finish(at);
  Tensors tensors;
  tensors.emplace("x", download(out, dtype, {spec.rows, spec.columns}, at));
  return tensors;
}

Tensors compute(const RequantizeSpec& spec, const Tensors& inputs, const std::string& at) {
  const Matrix x = upload_quantized(operand("x", spec.x, inputs, spec.rows, spec.columns, at), spec.x.scheme, at);
  return quantized_tensors(quantize(x, spec.to, at));
}

Tensors compute(const GemmSpec& spec, const Tensors& inputs, const std::string& at) {
  const Quantized a = operand("a", spec.a, inputs, spec.m, spec.k, at), b = operand("b", spec.b, inputs, spec.n, spec.k, at);
  const auto found = inputs.find("c");
  Matrix c;
  if (found != inputs.end()) {
    require_shape("c", found->second, {spec.m, spec.n});
    c = upload_matrix(found->second, at);
  }
  const Matrix* added = found == inputs.end() ? nullptr : &c;
  Tensors tensors;
  tensors.emplace("d", is_wgmma(spec) ? gemm_wgmma(spec, a, b, added, at) : gemm_general(spec, a, b, added, at));
  return tensors;
}

}  // namespace cuda

namespace {

class CudaDevice : public Device {
 public:
  DeviceIdentity identify() const override {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties", "device 0");
    int driver = 0, runtime = 0, clock = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion", "device 0");
    check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion", "device 0");
    check(cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0), "cudaDeviceGetAttribute", "device 0");
    return {properties.name,
            {{"computeCapability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
             {"multiprocessors", std::to_string(properties.multiProcessorCount)},
             {"memoryBytes", std::to_string(properties.totalGlobalMem)},
             {"l2Bytes", std::to_string(properties.l2CacheSize)},
             {"maxClockKHz", std::to_string(clock)},
             {"driver", std::to_string(driver)},
             {"runtime", std::to_string(runtime)}}};
  }

  Outcome run(const Spec& spec, const Tensors& given) override {
    const double begin = now_ms();
    Tensors made;
    const Tensors& inputs = materialize_inputs(spec, given, made);
    const double ready = now_ms();
    Outcome outcome;
    outcome.tensors = std::visit(
        [&](const auto& kernel) { return cuda::compute(kernel, inputs, std::string(kernel_name(spec)) + " of " + spec.name); }, spec.kernel);
    outcome.inputs_ms = ready - begin;
    outcome.kernel_ms = now_ms() - ready;
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Device> make_cuda_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    throw Error(ErrorKind::environment, "no-cuda-device", std::string("no CUDA device: ") + (status == cudaSuccess ? "none found" : cudaGetErrorString(status)),
                "native:cuda", "run on a machine with a Hopper GPU (H100, H200, H800) and its driver, or use --device host");
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties", "native:cuda");
  if (properties.major != 9 || properties.minor != 0) {
    throw Error(ErrorKind::environment, "wrong-cuda-device",
                std::string(properties.name) + " has compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                    ", the kernels are for 9.0",
                "native:cuda", "choose a Hopper GPU with CUDA_VISIBLE_DEVICES, or use --device host");
  }
  check(cudaSetDevice(0), "cudaSetDevice", "native:cuda");
  return std::make_unique<CudaDevice>();
}

}  // namespace fp8lab
