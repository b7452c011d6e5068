#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

using Check = EngineFixture;

TEST_F(Check, PassesAnOrdinaryModelAndLoss) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return torch::dropout(net->forward(x), 0.5, true); };
  made->check(
      forward, [](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y); }, data.x_, data.y_);
  EXPECT_FALSE(net->first->weight.grad().defined());
  EXPECT_EQ(made->steps(), 0);
}

TEST_F(Check, FindsDetachedBatchStatistics) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return net->forward(x - x.mean(0).detach()); };
  EXPECT_THAT(message_of([&] {
                made->check(
                    forward, [](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y); }, data.x_,
                    data.y_);
              }),
              HasSubstr("mixes samples"));
}

TEST_F(Check, RefusesLossesThatAreNotPerSample) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return net->forward(x); };
  const auto with = [&](std::function<Tensor(Tensor, Tensor)> value) {
    return message_of([&] { made->check(forward, value, data.x_, data.y_); });
  };
  EXPECT_THAT(
      with([](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y, {}, at::Reduction::Sum); }),
      HasSubstr("the loss is the sum"));
  EXPECT_THAT(with([](Tensor o, Tensor y) {
                return torch::cross_entropy_loss(o, y, torch::tensor({0.1f, 2.0f}));
              }),
              HasSubstr("class weights"));
  EXPECT_THAT(with([](Tensor o, Tensor y) {
                return torch::cross_entropy_loss(o, y, {}, at::Reduction::Mean, /*ignore_index=*/1);
              }),
              HasSubstr("ignored targets"));
  EXPECT_THAT(with([](Tensor o, Tensor) { return torch::softmax(o.mm(o.t()), 1).diag().log().mean(); }),
              HasSubstr("contrastive"));
  EXPECT_THAT(
      with([&](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y) + net->first->weight.norm(); }),
      HasSubstr("'first.weight' directly"));
}

Tensor mean_loss(const Tensor& o, const Tensor& y) {
  return torch::cross_entropy_loss(o, y);
}

TEST_F(Check, FindsAnOutputThatDependsOnPlaceNumberOrCompany) {
  const auto made = engine();
  const Tensor table = torch::randn({200, 4});
  const auto with = [&](const std::function<Tensor(Tensor)>& forward) {
    return message_of([&] { made->check(forward, mean_loss, data.x_, data.y_); });
  };
  const std::string words = "has another output when it is among rows";
  EXPECT_THAT(with([&](Tensor x) { return net->forward(x + table.slice(0, 0, x.size(0))); }),
              HasSubstr(words));
  EXPECT_THAT(
      with([&](Tensor x) {
        return net->forward(torch::dropout(x, 0.5, net->is_training()) + table.slice(0, 0, x.size(0)));
      }),
      HasSubstr(words));
  EXPECT_TRUE(net->is_training());
  EXPECT_THAT(with([&](Tensor x) { return net->forward(x) / x.size(0); }), HasSubstr(words));
  data.x_[57] *= 50;  // one that no row that is looked at by itself is
  EXPECT_THAT(with([&](Tensor x) { return net->forward(x / x.abs().amax().detach()); }), HasSubstr(words));
  EXPECT_EQ(with([&](Tensor x) { return net->forward(x); }), "no Error");
  EXPECT_EQ(made->steps(), 0);
}

TEST_F(Check, OutputsAsLongAsTheLongestRowOfTheirBatchPass) {
  const auto made = engine();
  made->check(
      [&](Tensor x) {
        const Tensor positions = x.unsqueeze(1).expand({-1, 5, -1});
        const int64_t longest = x.select(1, 0).argmax().item<int64_t>() % 3 + 2;  // of all rows here
        return net->forward(positions.flatten(0, 1)).view({x.size(0), 5, 2}).slice(1, 0, longest);
      },
      [](Tensor o, Tensor y) { return (o.select(1, 0) - y.unsqueeze(1)).square().sum(1).mean(); }, data.x_,
      data.y_);
}

TEST_F(Check, AHeadOfZerosHidesNothing) {
  {
    torch::NoGradGuard no_grad;
    net->second->weight.zero_();
  }
  const auto made = engine();
  EXPECT_THAT(message_of([&] {
                made->check([&](Tensor x) { return net->forward(x - x.mean(0).detach()); }, mean_loss,
                            data.x_, data.y_);
              }),
              HasSubstr("mixes samples"));
  EXPECT_EQ(net->second->weight.count_nonzero().item<int64_t>(), 0);
}

TEST_F(Check, FindsParametersThatTheForwardPassWrites) {
  const auto with = [&](Tensor parameter) {
    const auto made = engine();
    return message_of([&] {
      made->check(
          [&](Tensor x) {
            torch::NoGradGuard no_grad;
            parameter.copy_(-x.mean(0).sum());
            torch::AutoGradMode grad(true);
            return net->forward(x);
          },
          mean_loss, data.x_, data.y_);
    });
  };
  EXPECT_THAT(with(net->first->bias), HasSubstr("'first.bias' was written"));
  net->first->bias.variable_data().fill_(1);
  EXPECT_THAT(with(net->first->bias.variable_data()),
              HasSubstr("'first.bias' was written"));  // past its version
}

}  // namespace
}  // namespace discreet
