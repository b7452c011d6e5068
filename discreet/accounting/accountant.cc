#include "discreet/accounting/accountant.h"

#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"

namespace discreet {

std::string_view to_string(Accountant accountant) {
  switch (accountant) {
    case Accountant::kRdp: return "rdp";
    case Accountant::kPld: return "pld";
  }
  std::abort();
}

Accountant parse_accountant(std::string_view name) {
  for (const Accountant accountant : {Accountant::kRdp, Accountant::kPld})
    if (name == to_string(accountant)) return accountant;
  throw Error(ErrorKind::kInvalidArgument, "accountant must be rdp or pld");
}

double upper_epsilon(Accountant accountant, const Event& event, Relation relation, double delta) {
  return accountant == Accountant::kPld ? pld_epsilon(event, relation, delta).upper
                                        : rdp_epsilon(event, relation, delta);
}

Accounted tightest_epsilon(const Event& event, Relation relation, double delta) {
  std::optional<Accounted> best;
  std::exception_ptr unknown;
  for (const Accountant accountant : {Accountant::kPld, Accountant::kRdp}) {
    try {
      const double epsilon = upper_epsilon(accountant, event, relation, delta);
      if (!best || epsilon < best->epsilon) best = {epsilon, accountant};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported) throw;
      unknown = std::current_exception();
    }
  }
  if (!best) std::rethrow_exception(unknown);
  return *best;
}

}  // namespace discreet
