// The commands that need tensors; one file each. Arguments are those behind the command's name.
#pragma once

#include <string>
#include <vector>

namespace discreet {

int run_train(const std::vector<std::string>& arguments);
int run_predict(const std::vector<std::string>& arguments);
int run_inspect(const std::vector<std::string>& arguments);
int run_work(const std::vector<std::string>& arguments);

}  // namespace discreet
