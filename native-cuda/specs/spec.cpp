#include "spec.h"

#include <optional>

#include "fields.h"

namespace fp8lab {

using Json = nlohmann::json;

namespace {

template <std::size_t I>
using KernelAt = std::variant_alternative_t<I, KernelSpec>;

/** Reads the kernel that the field `kernel` names. */
template <std::size_t... I>
KernelSpec read_kernel(Fields& fields, std::index_sequence<I...>) {
  const std::string name = fields.text("kernel");
  std::optional<KernelSpec> found;
  const auto offer = [&]<class Kernel>() {
    if (name == Kernel::name) found = Kernel::read(fields);
  };
  (offer.template operator()<KernelAt<I>>(), ...);
  if (found) return *std::move(found);
  std::string known;
  ((known += (I == 0 ? "" : ", ") + std::string(KernelAt<I>::name)), ...);
  throw bad_field("kernel", "is \"" + name.substr(0, 40) + "\"; known are " + known);
}

}  // namespace

std::string_view kernel_name(const Spec& spec) {
  return std::visit([](const auto& kernel) { return std::decay_t<decltype(kernel)>::name; }, spec.kernel);
}

Spec parse_spec(std::string_view text, const std::string& file) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw input_error("spec-not-json", std::string("the spec is not JSON: ") + error.what(), file,
                      "give a spec that `fp8lab spec resolve` printed");
  }
  Fields fields(json, "", file == "-" ? std::filesystem::path() : std::filesystem::path(file).parent_path());
  if (fields.integer("fp8lab", 0, 1 << 20) != 1) throw bad_field("fp8lab", "is not 1, the version this runner knows");
  Spec spec;
  spec.name = fields.text("name");
  fields.has("description");
  if (fields.has("large")) spec.large = fields.need("large").is_boolean() && fields.need("large").get<bool>();
  spec.kernel = read_kernel(fields, std::make_index_sequence<std::variant_size_v<KernelSpec>>());
  fields.done();
  return spec;
}

}  // namespace fp8lab
