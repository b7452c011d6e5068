"""Models of `transformers`, built from a configuration with random weights, unmodified: fine-tuned fully and with LoRA.
The clipped sum equals that of gradients of one row at a time."""
import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import discreet
from judge import assert_released, one_at_a_time, unaccounted

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

ROWS, TIME, WORDS = 6, 7, 50


def bert(dropout=0.0, **options):
    config = transformers.BertConfig(vocab_size=WORDS, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=24, max_position_embeddings=12, num_labels=3,
                                     hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, **options)
    return transformers.BertForSequenceClassification(config)


def t5():
    """Its bias of attention is looked up by distance, once for the whole batch and all layers."""
    config = transformers.T5Config(vocab_size=WORDS, d_model=16, d_kv=8, num_heads=2, num_layers=2, d_ff=24,
                                   relative_attention_num_buckets=6, relative_attention_max_distance=5, dropout_rate=0.0)
    return transformers.T5EncoderModel(config)


def gpt():
    config = transformers.GPT2Config(vocab_size=WORDS, n_positions=12, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0.0,
                                     embd_pdrop=0.0, attn_pdrop=0.0)
    return transformers.GPT2LMHeadModel(config)


def inputs_of(mask=True):
    lengths = torch.tensor([TIME, 3, 5, TIME, 1, 4])
    inputs = {"input_ids": torch.randint(WORDS, (ROWS, TIME))}
    if mask:
        inputs["attention_mask"] = (torch.arange(TIME) < lengths.unsqueeze(1)).long()
    return inputs


def with_lora(model, task, modules):
    model = peft.get_peft_model(model, peft.LoraConfig(task_type=task, r=3, lora_alpha=6, lora_dropout=0.0,
                                                       target_modules=modules))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # zeros at first, so that lora_A would have no gradient
                parameter.normal_(0, 0.2)
    return model


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(11)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "LoRA"])
@pytest.mark.parametrize("mode", ["graph", "exact_slow"])
def test_classification(lora, mode):
    model = bert()
    if lora:
        model = with_lora(model, "SEQ_CLS", ["query", "value"])
    model.train()
    inputs, labels = inputs_of(), torch.randint(3, (ROWS,))
    clip = 0.5
    expected = one_at_a_time(model, inputs, lambda out, i: F.cross_entropy(out.logits, labels[i:i + 1]), clip=clip,
                             batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=clip, grad_mode=mode, row_inputs=list(inputs))
    out = model(**inputs)
    assert type(out).__name__ == "SequenceClassifierOutput" and out.logits.shape == (ROWS, 3)
    F.cross_entropy(out.logits, labels).backward()
    assert_released(model, expected, 1e-4)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "LoRA"])
def test_language_model(lora):
    model = gpt()
    if lora:
        model = with_lora(model, "CAUSAL_LM", ["c_attn"])
    model.train()
    inputs = inputs_of(mask=False)
    tokens = inputs["input_ids"]
    clip = 0.5

    def loss_of_rows(logits, tokens):
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(len(tokens), -1).mean(1)

    expected = one_at_a_time(model, inputs, lambda out, i: loss_of_rows(out.logits, tokens[i:i + 1]).sum(), clip=clip,
                             batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=clip)
    out = model(**inputs)
    loss_of_rows(out.logits, tokens).mean().backward()
    assert_released(model, expected, 1e-4)


def assert_sum_of_squares(model, part, **asked):
    """The loss is the sum of the squares of part(what the model returns)."""
    model.train()
    inputs = inputs_of()
    expected = one_at_a_time(model, inputs, lambda out, i: part(out).square().sum(), clip=0.5, batch_size=ROWS)
    unaccounted(model, batch_size=ROWS, clip=0.5, loss_reduction="sum")
    out = model(**inputs, **asked)
    part(out).square().sum().backward()
    assert_released(model, expected, 1e-4)
    return out


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_by_several_operations(attention):
    """As PyTorch's joint one is computed where there is dropout within it."""
    with sdpa_kernel(SDPBackend.MATH):
        assert_sum_of_squares(bert(attn_implementation=attention), lambda out: out.logits)


def test_a_bias_by_distance():
    assert_sum_of_squares(t5(), lambda out: out.last_hidden_state)


def test_all_hidden_states_are_watched():
    out = assert_sum_of_squares(bert(), lambda out: out.logits, output_hidden_states=True)
    assert len(out.hidden_states) == 3


def test_a_loss_of_the_models_own_is_refused():
    model = bert().train()
    unaccounted(model, batch_size=ROWS, clip=0.5)
    with pytest.raises(discreet.Error, match="'loss' is \\[\\]: it has no row for each of the 6 rows"):
        model(**inputs_of(), labels=torch.randint(3, (ROWS,)))


def test_trained_with_draws():
    model = bert(dropout=0.1).train()
    data = {"input_ids": torch.randint(WORDS, (60, TIME)), "labels": torch.randint(3, (60,))}
    engine = discreet.PrivacyEngine(model, batch_size=6, sample_size=60, noise_multiplier=1.0, max_grad_norm=1.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    engine.attach(optimizer)
    for batch in engine.loader(data):
        labels = batch.pop("labels")
        optimizer.zero_grad()
        F.cross_entropy(model(**batch).logits, labels).backward()
        optimizer.step()
    assert engine.steps == 10 and engine.epsilon(1e-5) > 0
