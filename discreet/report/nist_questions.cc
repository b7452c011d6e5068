#include "discreet/report/nist_questions.h"

#include <string>
#include <vector>

#include "discreet/base/text.h"
#include "discreet/report/guarantee_words.h"
#include "discreet/report/numbers.h"
#include "discreet/report/page.h"

namespace discreet {
namespace {

enum class Source { kCertificate, kOwner, kElsewhere, kMissing };

Html badge_of(Source source) {
  switch (source) {
    case Source::kCertificate: return badge(Tone::kGood, "Certificate");
    case Source::kOwner: return badge(Tone::kPlain, "Owner’s word");
    case Source::kElsewhere: return badge(Tone::kPlain, "Kept elsewhere");
    case Source::kMissing: return badge(Tone::kWarning, "Missing");
  }
  return {};
}

std::string sentence(std::string words) {
  if (!words.empty() && words[0] >= 'a' && words[0] <= 'z')
    words[0] = static_cast<char>(words[0] - 'a' + 'A');
  if (!words.empty() && words.back() != '.') words += '.';
  return words;
}

struct Row {
  std::string question;
  Html answer;
  Source source = Source::kCertificate;
};

Row stated(const std::string& question, const std::string& words) {
  if (words.empty()) return {question, text("The certificate does not say."), Source::kMissing};
  return {question, text(sentence(words)), Source::kCertificate};
}

std::string accountants(const Certificate& certificate) {
  std::string words;
  for (const Phase& phase : certificate.phases) {
    words += (words.empty() ? ": an upper bound; " : ", ") + phase.name + " by ";
    words += phase.accountant == Accountant::kPld ? "its privacy loss distribution" : "Rényi divergences";
    if (phase.epsilon_lower)
      words += " (no accountant could certify less than " + format_number(*phase.epsilon_lower, 4) + ")";
  }
  return words + ".";
}

Row sampler_and_accountant(const Certificate& certificate) {
  for (const Phase& phase : certificate.phases) {
    if (phase.sample_rate) {
      return stated("Do sampler and accountant agree?",
                    certificate.mechanism.sampler.empty()
                        ? ""
                        : "Yes: epsilon is computed from the events of that very sampler. " +
                              sentence(certificate.mechanism.sampler));
    }
  }
  return stated("Do sampler and accountant agree?", "No phase samples, and none is accounted as sampled");
}

}  // namespace

Html nist_table(const Certificate& certificate) {
  const Guarantee& guarantee = certificate.guarantee;
  const Mechanism& mechanism = certificate.mechanism;
  const std::vector<Row> rows = {
      {"Epsilon and delta", number(guarantee.epsilon, rounded_up(guarantee.epsilon)) + text(" and ") +
                                number(guarantee.delta, scientific_rounded_up(guarantee.delta)) +
                                text(accountants(certificate))},
      {"Unit of privacy", text(unit_sentence(guarantee))},
      {"Neighbouring relation",
       text(std::string(to_string(guarantee.relation)) + ". " + relation_sentence(guarantee))},
      sampler_and_accountant(certificate),
      stated("Clipping", mechanism.clipping),
      stated("Noise", mechanism.noise),
      stated("Random generator", mechanism.generator),
      stated("Floating-point arithmetic", mechanism.floating_point),
      {"Trust model",
       text("Central: whoever runs the training sees the records and is trusted to run this program. The "
            "signature "
            "shows whose word the certificate is; it cannot prove what their machine did."),
       Source::kOwner},
      {"Releases composed",
       text("Every release of this run is a phase in the certificate, and their costs are added. Earlier "
            "runs on the "
            "same records are in the owner’s ledger (") +
           code("discreet budget") + text("), not in this number."),
       Source::kElsewhere},
      {"Tuning counted",
       text("Whatever this run took from the data is charged above. If settings were chosen by comparing "
            "several runs, "
            "each of those is a charge of its own in the owner’s ledger."),
       Source::kElsewhere},
      {"Utility, overall and by group",
       text("Not in this package: it would be measured on private records. The owner’s page has accuracy by "
            "class."),
       Source::kMissing},
  };
  std::vector<std::vector<Html>> cells;
  for (const Row& row : rows) cells.push_back({text(row.question), row.answer, badge_of(row.source)});
  return table("Questions after NIST SP 800-226, and where each answer comes from",
               {{"Question"}, {"Answer"}, {"Source"}}, cells);
}

}  // namespace discreet
