#pragma once
// What the commands that run specs read and print.

#include <nlohmann/json.hpp>
#include <string>

#include "../tensors/tensor.h"

namespace fp8lab {

/** The text of a file, `-` for stdin; refuses more than a spec has. */
std::string read_text(const std::string& path);

/** dtype and shape of every tensor, and its SHA-256 where asked for. */
nlohmann::ordered_json describe(const Tensors& tensors, bool with_digest);

}  // namespace fp8lab
