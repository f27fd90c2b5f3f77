#include "fields.h"

namespace fp8lab {

using Json = nlohmann::json;

Error bad_field(const std::string& path, const std::string& problem) {
  return input_error("bad-field", path + " " + problem, path, "resolve the spec with `fp8lab spec resolve` and run what it prints");
}

namespace {

FormatId read_format(Fields& fields, const std::string& name) {
  std::vector<std::pair<const char*, FormatId>> choices;
  for (int i = 0; i < format_count; i++) choices.emplace_back(format_names[i], static_cast<FormatId>(i));
  return fields.choice<FormatId>(name, choices);
}

}  // namespace

FormatId read_output(Fields& fields) {
  return fields.choice<FormatId>("output", {{"bf16", FormatId::bf16}, {"f16", FormatId::f16}, {"f32", FormatId::f32}});
}

namespace {

u32 read_seed(Fields& fields) { return static_cast<u32>(fields.integer("seed", 0, 0xffffffffLL)); }

}  // namespace

Input read_input(Fields fields) {
  if (fields.has("file")) {
    FileInput input{(fields.folder() / fields.text("file")).string(), fields.text("tensor")};
    fields.done();
    return input;
  }
  GeneratedInput input{};
  input.generator = fields.choice<Generator>("generate", {{"uniform", Generator::uniform},
                                                          {"positive", Generator::positive},
                                                          {"normal", Generator::normal},
                                                          {"outlier-channels", Generator::outlier_channels},
                                                          {"outlier-tokens", Generator::outlier_tokens},
                                                          {"near-ties", Generator::near_ties},
                                                          {"bits", Generator::bits},
                                                          {"zero", Generator::zero},
                                                          {"saturating", Generator::saturating},
                                                          {"subnormal", Generator::subnormal}});
  input.seed = read_seed(fields);
  input.dtype = read_format(fields, "dtype");
  input.exponent = static_cast<i32>(fields.integer("exponent", -100000, 100000));
  input.share = fields.number("share");
  input.factor_exponent = static_cast<i32>(fields.integer("factorExponent", -100000, 100000));
  const bool numeric = input.dtype == FormatId::bf16 || input.dtype == FormatId::f16 || input.dtype == FormatId::f32;
  const bool any_dtype = input.generator == Generator::bits || input.generator == Generator::zero;
  if (!any_dtype && !numeric) throw bad_field(fields.at("dtype"), "must be bf16, f16 or f32 for this generator");
  fields.done();
  return input;
}

namespace {

double read_share(Fields& fields, const std::string& name) {
  const double share = fields.number(name);
  if (!(share >= 0 && share <= 1)) throw bad_field(fields.at(name), "is not in 0..1");
  return share;
}

}  // namespace

Input read_integers(Fields fields, IntegerGenerator generator) {
  if (fields.has("file")) {
    FileInput input{(fields.folder() / fields.text("file")).string(), fields.text("tensor")};
    fields.done();
    return input;
  }
  IntegerInput input{};
  input.generator = fields.choice<IntegerGenerator>("generate", {{"routing", IntegerGenerator::routing},
                                                                 {"mask", IntegerGenerator::mask},
                                                                 {"integers", IntegerGenerator::integers}});
  if (input.generator != generator) throw bad_field(fields.at("generate"), "is the generator of other tensors");
  if (fields.text("dtype") != "i32") throw bad_field(fields.at("dtype"), "is not i32");
  input.seed = read_seed(fields);
  if (generator == IntegerGenerator::routing) {
    input.experts = static_cast<u32>(fields.integer("experts", 1, 1 << 24));
    input.used = static_cast<u32>(fields.integer("used", 1, input.experts));
    input.skew = static_cast<u32>(fields.integer("skew", 0, 15));
    input.masked_tokens = read_share(fields, "maskedTokens");
    input.masked_slots = read_share(fields, "maskedSlots");
  } else if (generator == IntegerGenerator::mask) {
    input.share = read_share(fields, "share");
  } else {
    input.below = static_cast<u32>(fields.integer("below", 1, 0x7fffffff));
  }
  fields.done();
  return input;
}

namespace {

Rounding read_rounding(Fields& fields) {
  return fields.choice<Rounding>("rounding", {{"nearest-even", Rounding::nearest_even},
                                              {"toward-zero", Rounding::toward_zero},
                                              {"toward-positive", Rounding::toward_positive},
                                              {"toward-negative", Rounding::toward_negative},
                                              {"nearest-away", Rounding::nearest_away},
                                              {"to-odd", Rounding::to_odd},
                                              {"stochastic", Rounding::stochastic}});
}

void read_scale(Fields fields, Scheme& scheme) {
  scheme.scale_type = fields.choice<FormatId>("type", {{"f32", FormatId::f32}, {"e8m0", FormatId::e8m0}, {"e4m3", FormatId::e4m3}});
  scheme.recipe = fields.choice<Recipe>("recipe", {{"divide", Recipe::divide},
                                                   {"reciprocal", Recipe::reciprocal},
                                                   {"inverse", Recipe::inverse},
                                                   {"deepep", Recipe::deepep},
                                                   {"v32", Recipe::v32},
                                                   {"te", Recipe::te},
                                                   {"torchao", Recipe::torchao},
                                                   {"pow2", Recipe::pow2},
                                                   {"mx-floor", Recipe::mx_floor},
                                                   {"mx-ceil", Recipe::mx_ceil},
                                                   {"mx-even", Recipe::mx_even},
                                                   {"mx-rceil", Recipe::mx_rceil},
                                                   {"nvfp4", Recipe::nvfp4},
                                                   {"unit", Recipe::unit}});
  const double floor = fields.number("amaxFloor");
  if (!(floor >= 0) || std::isinf(static_cast<float>(floor)))
    throw bad_field(fields.at("amaxFloor"), "is not a finite number of at least 0");
  scheme.amax_floor = float_bits(static_cast<float>(floor) + 0.0f);
  scheme.layout = fields.choice<ScaleLayout>(
      "layout", {{"row-major", ScaleLayout::row_major}, {"mn-major", ScaleLayout::mn_major}, {"packed-e8m0", ScaleLayout::packed_e8m0}});
  // What a recipe gives must fit the type that stores it.
  if (scheme.scale_type == FormatId::e8m0 && !is_power_of_two(scheme.recipe))
    throw bad_field(fields.at("type"), "e8m0 needs a power-of-two recipe");
  if ((scheme.scale_type == FormatId::e4m3) != (scheme.recipe == Recipe::nvfp4))
    throw bad_field(fields.at("type"), "e4m3 and the recipe nvfp4 go together");
  if (scheme.layout == ScaleLayout::packed_e8m0 && scheme.scale_type != FormatId::e8m0)
    throw bad_field(fields.at("layout"), "packed-e8m0 needs type e8m0");
  fields.done();
}

}  // namespace

Scheme read_scheme(Fields fields) {
  Scheme scheme{};
  scheme.format = read_format(fields, "format");
  if (format_of(scheme.format).specials == Specials::fnuz) throw bad_field(fields.at("format"), "is decoded only");
  const Json& tile = fields.need("tile");
  if (!tile.is_array() || tile.size() != 2) throw bad_field(fields.at("tile"), "is not [rows, columns]");
  scheme.tile_rows = Fields::integer_of(tile[0], fields.at("tile[0]"), 0, largest_extent);
  scheme.tile_columns = Fields::integer_of(tile[1], fields.at("tile[1]"), 0, largest_extent);
  read_scale(fields.object("scale"), scheme);
  scheme.rounding = read_rounding(fields);
  scheme.overflow = fields.choice<Overflow>("overflow", {{"saturate", Overflow::saturate}, {"ieee", Overflow::ieee}});
  if (scheme.overflow == Overflow::ieee && format_of(scheme.format).specials == Specials::finite) {
    throw bad_field(fields.at("overflow"), "must be saturate: the format has neither Inf nor NaN");
  }
  scheme.seed = read_seed(fields);
  fields.done();
  return scheme;
}

OperandSpec read_operand(Fields fields) {
  OperandSpec operand{};
  operand.scheme = read_scheme(fields.object("scheme"));
  if (fields.has("input")) operand.input = read_input(fields.object("input"));
  if (fields.has("codes")) operand.codes = read_input(fields.object("codes"));
  if (fields.has("scales")) operand.scales = read_input(fields.object("scales"));
  if (operand.input.has_value() == operand.codes.has_value()) throw bad_field(fields.at("input"), "or codes must be there, and not both");
  fields.done();
  return operand;
}

Input read_wrapped_input(Fields fields) {
  Input input = read_input(fields.object("input"));
  fields.done();
  return input;
}

namespace {

Model read_model(Fields fields) {
  Model model{};
  fields.text("name");
  model.kind = fields.choice<ModelKind>(
      "kind", {{"aligned", ModelKind::aligned}, {"exact", ModelKind::exact}, {"sequential", ModelKind::sequential}});
  const bool aligned = model.kind == ModelKind::aligned;
  model.fraction_bits = static_cast<int>(fields.integer("fractionBits", aligned ? 1 : 0, 48));
  model.terms = fields.integer("terms", aligned ? 1 : 0, largest_extent);
  model.output = fields.choice<StepOutput>(
      "output",
      {{"e8m13", StepOutput::e8m13}, {"f32-rz", StepOutput::f32_rz}, {"f32-rne", StepOutput::f32_rne}, {"f16-rne", StepOutput::f16_rne}});
  model.order = fields.choice<TermOrder>("order", {{"linear", TermOrder::linear}, {"p4", TermOrder::p4}});
  if (aligned && model.fraction_bits + bit_length(static_cast<u64>(model.terms) + 1) > 58) {
    throw bad_field(fields.at("fractionBits"), "and terms together pass what a 64-bit sum holds");
  }
  fields.done();
  return model;
}

}  // namespace

Arithmetic read_arithmetic(Fields fields) {
  Arithmetic arithmetic{};
  arithmetic.model = read_model(fields.object("model"));
  arithmetic.promote_every = fields.integer("promoteEvery", 0, largest_extent);
  arithmetic.combine = fields.choice<Combine>(
      "combine", {{"scales-first", Combine::scales_first}, {"a-then-b", Combine::a_then_b}, {"b-then-a", Combine::b_then_a}});
  arithmetic.promote = fields.choice<Promote>("promote", {{"fused", Promote::fused}, {"unfused", Promote::unfused}});
  fields.done();
  return arithmetic;
}

i64 read_extent(Fields& shape, const char* name) { return shape.integer(name, 1, largest_extent); }

}  // namespace fp8lab
