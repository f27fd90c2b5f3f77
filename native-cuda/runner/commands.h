#pragma once
// The commands of fp8lab-native: each takes the words after its name and gives the exit code.

namespace fp8lab {

int run_command(int count, char** words);
int info_command(int count, char** words);
int exhaustive_command(int count, char** words);

}  // namespace fp8lab
