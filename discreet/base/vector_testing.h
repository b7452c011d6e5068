// For tests: runs a check with each kind of vectors that this processor has, one lane included.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <functional>

namespace discreet {

inline void with_all_vectors(const std::function<void()>& check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace discreet
