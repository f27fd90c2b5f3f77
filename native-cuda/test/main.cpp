// fp8lab-native-test [--data FOLDER] [SUITE]: runs the tests, one JSON object a line, and ends with 1 where any failed.

#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "check.h"

namespace fp8lab::test {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

std::string& data_folder() {
  static std::string folder;
  return folder;
}

namespace {

/** Status and detail of one test. */
std::pair<std::string, std::string> run(const Test& test) {
  try {
    test.body();
    return {"passed", ""};
  } catch (const Skip& skip) {
    return {"skipped", skip.what()};
  } catch (const std::exception& error) {
    return {"failed", error.what()};
  }
}

}  // namespace

}  // namespace fp8lab::test

int main(int count, char** words) {
  using namespace fp8lab::test;
  std::string suite;
  for (int i = 1; i < count; i++) {
    if (std::strcmp(words[i], "--data") == 0 && i + 1 < count) {
      data_folder() = words[++i];
    } else {
      suite = words[i];
    }
  }
  int ran = 0, failed = 0;
  for (const Test& test : tests()) {
    if (!suite.empty() && test.suite != suite) continue;
    const auto [status, detail] = run(test);
    const nlohmann::ordered_json line = {{"suite", test.suite}, {"name", test.property}, {"status", status}, {"detail", detail}};
    std::cout << line.dump() << std::endl;
    ran++;
    failed += status == "failed" ? 1 : 0;
  }
  // A suite of no tests is a mistake of the caller.
  return failed > 0 || ran == 0 ? 1 : 0;
}
