// Reading resolved specs: every field is needed, known and sane.

#include <nlohmann/json.hpp>

#include "../specs/spec.h"
#include "check.h"

namespace fp8lab::test {

namespace {

using Json = nlohmann::json;

const Json& gemm() {
  static const Json spec =
      Json::parse(R"({"fp8lab":1,"kernel":"gemm","name":"g","description":"d","large":false,"shape":{"m":3,"n":4,"k":5},
    "a":{"scheme":{"format":"e4m3","tile":[1,128],"scale":{"type":"f32","recipe":"pow2","amaxFloor":0.0001,"layout":"row-major"},"rounding":"nearest-even",
      "overflow":"saturate","seed":0},"input":{"generate":"normal","seed":4294967295,"dtype":"bf16","exponent":-3,"share":0.5,"factorExponent":6}},
    "b":{"scheme":{"format":"e5m2","tile":[0,0],"scale":{"type":"e8m0","recipe":"mx-even","amaxFloor":0,"layout":"packed-e8m0"},"rounding":"stochastic",
      "overflow":"ieee","seed":7},"codes":{"file":"f.safetensors","tensor":"t"},"scales":{"file":"f.safetensors","tensor":"s"}},
    "arithmetic":{"model":{"name":"x","kind":"aligned","fractionBits":13,"terms":32,"output":"e8m13","order":"p4"},"promoteEvery":128,"combine":"a-then-b",
      "promote":"unfused"},"output":"f32"})");
  return spec;
}

FP8LAB_TEST("specs", "a resolved spec is read field by field") {
  const Spec spec = parse_spec(gemm().dump(), "folder/spec.json");
  const auto& read = std::get<GemmSpec>(spec.kernel);
  check_equal(spec.name, std::string("g"), "name");
  check(read.m == 3 && read.n == 4 && read.k == 5, "shape");
  check(read.a.scheme.amax_floor == 0x38d1b717u && read.a.scheme.recipe == Recipe::pow2, "scheme of a");
  const auto& input = std::get<GeneratedInput>(*read.a.input);
  check(input.seed == 0xffffffffu && input.exponent == -3 && input.share == 0.5, "input of a");
  check(read.b.scheme.layout == ScaleLayout::packed_e8m0 && read.b.scheme.rounding == Rounding::stochastic, "scheme of b");
  check_equal(std::get<FileInput>(*read.b.codes).file, std::string("folder/f.safetensors"), "files lie beside the spec");
  check(read.arithmetic.model.order == TermOrder::p4 && read.arithmetic.combine == Combine::a_then_b &&
            read.arithmetic.promote == Promote::unfused,
        "arithmetic");
  check_equal(read.arithmetic.model.terms, i64{32}, "terms");
}

/** Every path to a field, as JSON pointers. */
void paths(const Json& value, const std::string& at, std::vector<std::string>& all) {
  if (!value.is_object()) return;
  for (const auto& [name, inner] : value.items()) {
    all.push_back(at + "/" + name);
    paths(inner, at + "/" + name, all);
  }
}

FP8LAB_TEST("specs", "a spec without one of its fields is refused, and so is one with another") {
  std::vector<std::string> all;
  paths(gemm(), "", all);
  int checked = 0;
  for (const std::string& path : all) {
    if (path == "/description" || path == "/large") continue;
    const Json::json_pointer pointer(path);
    Json lacking = gemm();
    lacking[pointer.parent_pointer()].erase(pointer.back());
    check(error_code([&] { parse_spec(lacking.dump(), "-"); }) != "no error" || path == "/b/scales", path + " was not missed");
    if (gemm()[pointer].is_object()) {
      Json more = gemm();
      more[pointer]["surprise"] = 1;
      check_equal(error_code([&] { parse_spec(more.dump(), "-"); }), std::string("unknown-field"), path);
    }
    Json wrong = gemm();
    wrong[pointer] = Json::array({nullptr});
    check(error_code([&] { parse_spec(wrong.dump(), "-"); }) != "no error", path + " may be anything");
    checked++;
  }
  check(checked > 40, "hardly any field was tried");
}

FP8LAB_TEST("specs", "values out of range are refused with the path of the field") {
  const std::pair<const char*, Json> values[] = {
      {"/shape/m", 0},
      {"/shape/k", 1.5},
      {"/shape/n", 1e300},
      {"/fp8lab", 2},
      {"/kernel", "no-kernel"},
      {"/a/input/seed", -1},
      {"/a/input/seed", 4294967296.0},
      {"/a/input/dtype", "e4m3"},
      {"/a/scheme/format", "e4m3fnuz"},
      {"/a/scheme/format", "f32"},
      {"/a/scheme/tile", Json::array({1, 2, 3})},
      {"/a/scheme/tile", Json::array({-1, 2})},
      {"/a/scheme/scale/type", "e4m3"},
      {"/a/scheme/scale/amaxFloor", -1},
      {"/a/scheme/scale/amaxFloor", 1e300},
      {"/arithmetic/model/fractionBits", 0},
      {"/arithmetic/model/fractionBits", 48},
      {"/arithmetic/model/terms", 0},
      {"/output", "e4m3"},
  };
  for (const auto& [path, value] : values) {
    Json spec = gemm();
    spec[Json::json_pointer(path)] = value;
    if (std::string(path) == "/arithmetic/model/fractionBits" && value == 48) spec["/arithmetic/model/terms"_json_pointer] = 2048;
    try {
      parse_spec(spec.dump(), "-");
      throw Failure(std::string(path) + " = " + value.dump() + " passed");
    } catch (const Error& error) {
      check_equal(error.code, std::string("bad-field"), path);
      check(static_cast<int>(error.kind) == 4 && !error.where.empty() && !error.fix.empty(), "an error without its place");
    }
  }
  check_equal(error_code([] { parse_spec("{", "-"); }), std::string("spec-not-json"), "no JSON");
  check_equal(error_code([] { parse_spec(std::string(1 << 20, '['), "-"); }), std::string("spec-not-json"), "a million brackets");
  check_equal(error_code([] { parse_spec("[]", "-"); }), std::string("bad-field"), "no object");
}

FP8LAB_TEST("specs", "a spec with bytes changed, cut or doubled is read or refused, never worse") {
  const std::string whole = gemm().dump();
  Random random(8);
  int refused = 0;
  for (int i = 0; i < 20000; i++) {
    std::string changed = whole;
    const std::size_t at = random.word() % changed.size();
    switch (random.word() % 3) {
      case 0: changed[at] = static_cast<char>(random.word()); break;
      case 1: changed.erase(at, random.word() % 20); break;
      default: changed.insert(at, changed.substr(at, random.word() % 20)); break;
    }
    const std::string code = error_code([&] { parse_spec(changed, "-"); });
    refused += code != "no error";
  }
  check(refused > 10000, "hardly anything was refused");
}

}  // namespace

}  // namespace fp8lab::test
