#include "discreet/dp/full_precision.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "discreet/dp/clip.h"

namespace discreet {
namespace {

// As a user asks for fast products, for one test.
class FastProducts : public testing::Test {
 protected:
  void SetUp() override {
    at::globalContext().setFloat32MatmulPrecision("medium");
    before = internal::reduced_precisions();
  }
  void TearDown() override { at::globalContext().setFloat32MatmulPrecision("highest"); }
  size_t before = 0;
};

TEST_F(FastProducts, AreOffForAsLongAsOneAsks) {
  ASSERT_GT(before, 0u);
  {
    const FullPrecision one;
    EXPECT_TRUE(at::NoTF32Guard::should_disable_tf32());
    {
      const FullPrecision other;
      EXPECT_EQ(internal::reduced_precisions(), 0u);
    }
    EXPECT_EQ(internal::reduced_precisions(), 0u);
  }
  EXPECT_EQ(internal::reduced_precisions(), before);
  EXPECT_FALSE(at::NoTF32Guard::should_disable_tf32());
}

thread_local std::set<std::string> in_full, reduced;

// Which products ran while all switches were at full precision, and which while one was not.
class Watch {
 public:
  Watch()
      : handle_(
            at::addThreadLocalCallback(at::RecordFunctionCallback(see).scopes({at::RecordScope::FUNCTION}))) {
    in_full.clear();
    reduced.clear();
  }
  ~Watch() { at::removeCallback(handle_); }

 private:
  static std::unique_ptr<at::ObserverContext> see(const at::RecordFunction& function) {
    (internal::reduced_precisions() == 0 ? in_full : reduced).insert(function.name());
    return nullptr;
  }
  at::CallbackHandle handle_;
};

// The engine's own products are the only ones here: no gradient flows on to the rows.
TEST_F(FastProducts, AreNotOfNormsAndSums) {
  torch::manual_seed(1);
  const at::Tensor x = torch::randn({8, 32, 6, 6}), w = torch::randn({32, 32, 3, 3}).requires_grad_();
  const at::Tensor v = torch::randn({5, 20}).requires_grad_(), rows = torch::randn({8, 7, 20});
  for (const bool convolution : {false, true}) {
    const at::Tensor out = convolution ? torch::conv2d(x, w) : torch::linear(rows, v);
    Clipper clipper({convolution ? TrainedParameter{"w", w} : TrainedParameter{"v", v}}, 1.0);
    const Watch watch;
    clipper.add(out, torch::ones_like(out));
    const std::string product = convolution ? "aten::convolution_backward" : "aten::mm";
    EXPECT_TRUE(in_full.count(product)) << product;
    EXPECT_FALSE(reduced.count(product)) << product;
  }
}

// The model's own are as the user wants them.
TEST_F(FastProducts, StayTheModels) {
  const at::Tensor a = torch::randn({4, 4}).requires_grad_(), b = torch::randn({4, 4}).requires_grad_();
  const at::Tensor out = torch::linear(torch::linear(torch::randn({3, 4}), a).tanh(), b);
  Clipper clipper({{"a", a}, {"b", b}}, 1.0);
  const Watch watch;
  clipper.add(out, torch::ones_like(out));
  EXPECT_TRUE(reduced.count("aten::mm"));
}

// What a unit adds stays within the sensitivity: factors all of which bfloat16 would round up, by 2^-9.
TEST_F(FastProducts, KeepTheSensitivity) {
  const int64_t n = 256, width = 1024;
  const float number = 1 + 0x1.2p-8f;
  const at::Tensor w = torch::zeros({width, width}).requires_grad_();
  const at::Tensor out = torch::linear(torch::full({n, width}, number), w);
  Clipper clipper({{"w", w}}, 1.0);
  clipper.add(out, torch::full({n, width}, number));
  const ClippedSum sum = clipper.take();
  EXPECT_LE(sum.tensors()[0].norm().item<double>(), n * sum.sensitivity());
  EXPECT_GE(sum.tensors()[0].norm().item<double>(), n * (1 - 0x1p-10));
}

}  // namespace
}  // namespace discreet
