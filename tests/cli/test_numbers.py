"""account and plan: published values, each other, and numbers that are none."""

import pytest

# Poisson-sampled Gaussian, add-or-remove-one, RDP: (rate, multiplier, steps, delta, epsilon, source).
PUBLISHED = [
    (0.04, 1.5, 2250, 1e-5, 7.329335, "dp_accounting 0.6, default orders"),
    (0.0025, 1.3, 6000, 1e-5, 0.7242234026, "TF Privacy, compute_dp_sgd_privacy_test.py"),
    (0.001, 1.0, 30000, 1e-7, 1.4154988495, "TF Privacy"),
    (0.01, 0.7, 120, 1e-5, 3.2392676, "TF Privacy"),
    (1, 0.7, 2, 1e-5, 10.8602036, "TF Privacy"),
]


def account(place, rate, multiplier, steps, delta, *more):
    return place.run("account", "--sample-rate", rate, "--noise-multiplier", multiplier, "--steps", steps,
                     "--delta", delta, *more, "--json").json


@pytest.mark.parametrize("rate, multiplier, steps, delta, epsilon, source", PUBLISHED)
def test_account_matches_published_values(place, rate, multiplier, steps, delta, epsilon, source):
    """Ours searches all real orders: at most theirs, and at most 3e-3 below."""
    result = account(place, rate, multiplier, steps, delta, "--accountant", "rdp")
    assert epsilon - 3e-3 <= result["epsilon"] <= epsilon + 1e-6
    assert result["delta"] == delta
    assert result["relation"] == "add-or-remove-one"
    assert result["accountant"] == "rdp"


def test_account_knows_the_relation(place):
    add = account(place, 0.01, 1, 1000, 1e-5)["epsilon"]
    replace = account(place, 0.01, 1, 1000, 1e-5, "--relation", "replace-one")
    assert replace["relation"] == "replace-one"
    assert replace["epsilon"] > 1.4 * add


def test_account_for_people(place):
    out = place.run("account", "--sample-rate", 0.01, "--noise-multiplier", 1, "--steps", 1000, "--delta", 1e-5).out
    assert out.startswith("epsilon     1.8")
    assert "In words:" in out


def test_account_takes_numbers_as_people_write_them(place):
    assert account(place, "1e-2", "1.0", "1e3", "0.00001") == account(place, 0.01, 1, 1000, 1e-5)


@pytest.mark.parametrize("flag, values", [
    ("--sample-rate", ["nan", "inf", "-0.1", "1.1", "0.1x", "", "0,1", "0x1", " 0.1", "1e999"]),
    ("--noise-multiplier", ["0", "-1", "nan", "inf", "1e10"]),
    ("--steps", ["0", "-5", "1.5", "9007199254740993000", "nan", "ten"]),
    ("--delta", ["0", "1", "-1e-5", "nan", "1e-5e"]),
    ("--relation", ["swap", "add-or-remove", ""]),
    ("--accountant", ["clt", ""]),
])
def test_account_refuses(place, flag, values):
    right = {"--sample-rate": "0.01", "--noise-multiplier": "1", "--steps": "10", "--delta": "1e-5"}
    for value in values:
        arguments = [f"{name}={text}" for name, text in {**right, flag: value}.items()]
        place.refused("account", *arguments, says=flag.lstrip("-"))


def test_account_by_privacy_loss_distributions(place):
    """Bounds from both sides about the value that dp_accounting gives (6.768787, recomputed)."""
    steps = ["--sample-rate", 0.04, "--noise-multiplier", 1.5, "--steps", 2250, "--delta", 1e-5]
    pld = place.run("account", *steps, "--accountant", "pld", "--json").json
    assert pld["accountant"] == "pld" and place.run("account", *steps, "--json").json == pld  # the default
    rdp = place.run("account", *steps, "--accountant", "rdp", "--json").json
    assert pld["epsilon_lower"] < 6.768787 < pld["epsilon"] + 1e-3 and pld["epsilon"] < 6.768787 * 1.001
    assert rdp["epsilon"] > pld["epsilon"] and rdp["epsilon_lower"] is None
    assert "at least" in place.run("account", *steps, "--accountant", "pld").out
    place.refused("account", *steps, "--accountant", "prv", says="rdp or pld")


def test_plan_and_account_agree_and_the_target_is_not_passed(place):
    for epsilon in [0.3, 3, 10]:
        plan = place.run("plan", "--epsilon", epsilon, "--delta", 1e-5, "--sample-size", 60000, "--batch-size", 256,
                         "--epochs", 10, "--json").json
        assert plan["steps"] == -(-60000 * 10 // 256)
        assert plan["sample_rate"] == 256 / 60000
        assert plan["epsilon"] == epsilon and plan["delta"] == 1e-5
        assert plan["shares"]["statistics"] == {"epsilon": 0, "delta": 0}
        reached = account(place, repr(plan["sample_rate"]), repr(plan["noise_multiplier"]), plan["steps"], 1e-5)
        assert reached["epsilon"] <= epsilon
        assert reached["epsilon"] > 0.99 * epsilon
        assert reached["epsilon"] == pytest.approx(plan["training_epsilon"], rel=1e-9)


def test_plan_waits_for_what_is_counted_privately(place):
    plan = place.run("plan", "--epsilon", 3, "--delta", 1e-5, "--batch-size", 256, "--json").json
    for name in ["sample_size", "sample_rate", "noise_multiplier", "steps"]:
        assert plan[name] is None
    shares = plan["shares"]
    assert shares["statistics"]["epsilon"] == pytest.approx(0.3)
    assert shares["statistics"]["epsilon"] + shares["training"]["epsilon"] <= 3
    assert shares["statistics"]["delta"] + shares["training"]["delta"] <= 1e-5
    assert "waits for the number of units" in place.run("plan", "--epsilon", 3, "--delta", 1e-5).out


@pytest.mark.parametrize("flag, values", [
    ("--epsilon", ["0", "-1", "nan", "1e9", "3x", "inf"]),
    ("--delta", ["0", "1", "nan"]),
    ("--sample-size", ["0", "-5", "nan", "1e13"]),
    ("--batch-size", ["0", "1.5", "70000"]),
    ("--epochs", ["0", "-1", "nan"]),
    ("--relation", ["swap"]),
    ("--statistics-share", ["-0.1", "0.6", "nan"]),
])
def test_plan_refuses(place, flag, values):
    right = {"--epsilon": "3", "--delta": "1e-5", "--sample-size": "60000", "--batch-size": "256", "--epochs": "1"}
    for value in values:
        arguments = [f"{name}={text}" for name, text in {**right, flag: value}.items()]
        place.refused("plan", *arguments, says=flag.lstrip("-").split("-")[0])
