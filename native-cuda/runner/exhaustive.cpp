// The command `exhaustive`: all 2^32 f32 patterns through an encoder, one SHA-256 for each chunk of 2^24 codes.

#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "../errors.h"
#include "../kernels/host/lanes.h"
#include "../kernels/host/parallel.h"
#include "../tensors/sha256.h"
#include "arguments.h"
#include "commands.h"

namespace fp8lab {

namespace {

constexpr int all_chunks = 256;

template <class T>
T choose(const std::map<std::string, T>& choices, const std::string& option, const std::string& value) {
  const auto found = choices.find(value);
  if (found != choices.end()) return found->second;
  std::string known;
  for (const auto& [name, choice] : choices) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::usage, "bad-value", "unknown value " + value + " of --" + option, "--" + option, "use one of " + known);
}

/** Codes of the f32 patterns from `first` on. */
void encode_patterns(u32 first, const Format& format, Rounding rounding, Overflow overflow, u32* bits, u8* codes) {
  for (i64 i = 0; i < part_patterns; i++) bits[i] = first + static_cast<u32>(i);
  host::FastFormat fast;
  if (host::fast_format(format, rounding, overflow, fast)) {
    host::lane_ops().encode_8(bits, codes, part_patterns, fast, 1.0f, false);
    return;
  }
  for (i64 i = 0; i < part_patterns; i++) codes[i] = static_cast<u8>(encode(bits[i], format, rounding, overflow));
}

std::string chunk_digest(int chunk, const Format& format, Rounding rounding, Overflow overflow) {
  std::vector<u32> bits(part_patterns);
  std::vector<u8> codes(part_patterns);
  Sha256 hash;
  for (i64 part = 0; part < pattern_chunk; part += part_patterns) {
    const u32 first = static_cast<u32>(chunk * pattern_chunk + part);
    encode_patterns(first, format, rounding, overflow, bits.data(), codes.data());
    hash.add(codes.data(), part_patterns);
  }
  return hash.hex();
}

/** `A-B` of 0..255. */
std::pair<int, int> chunk_range(const std::string& text) {
  int first = 0, last = all_chunks - 1;
  char rest = 0;
  if (!text.empty() && std::sscanf(text.c_str(), "%d-%d%c", &first, &last, &rest) != 2) last = -1;
  if (first >= 0 && first <= last && last < all_chunks) return {first, last};
  throw Error(ErrorKind::usage, "bad-value", "--chunks is not A-B within 0-255", "--chunks", "give for example 0-15");
}

}  // namespace

int exhaustive_command(int count, char** words) {
  const Arguments arguments = parse_arguments(count, words, {"format", "function", "rounding", "overflow", "chunks", "threads"}, {"json"}, 0);
  const auto [first, last] = chunk_range(arguments.get("chunks"));
  if (arguments.has("function")) return exhaustive_function(arguments, first, last);
  const std::string format_name = arguments.get("format", "e4m3");
  const std::string rounding_name = arguments.get("rounding", "nearest-even");
  const std::string overflow_name = arguments.get("overflow", "saturate");
  const Format format = format_of(choose<FormatId>({{"e4m3", FormatId::e4m3}, {"e5m2", FormatId::e5m2}}, "format", format_name));
  const Rounding rounding = choose<Rounding>({{"nearest-even", Rounding::nearest_even},
                                              {"toward-zero", Rounding::toward_zero},
                                              {"toward-positive", Rounding::toward_positive},
                                              {"toward-negative", Rounding::toward_negative},
                                              {"nearest-away", Rounding::nearest_away},
                                              {"to-odd", Rounding::to_odd}},
                                             "rounding", rounding_name);
  const Overflow overflow = choose<Overflow>({{"saturate", Overflow::saturate}, {"ieee", Overflow::ieee}}, "overflow", overflow_name);
  std::vector<std::string> digests(static_cast<std::size_t>(last - first + 1));
  host::parallel_for(integer_option(arguments, "threads", 0), last - first + 1, [&, begin = first](i64 i) {
    digests[static_cast<std::size_t>(i)] = chunk_digest(begin + static_cast<int>(i), format, rounding, overflow);
  });
  const nlohmann::ordered_json json = {{"schemaVersion", 1},        {"format", format_name},           {"rounding", rounding_name},
                                       {"overflow", overflow_name}, {"chunkElements", pattern_chunk}, {"firstChunk", first},
                                       {"digests", digests}};
  std::cout << json.dump() << std::endl;
  return 0;
}

}  // namespace fp8lab
