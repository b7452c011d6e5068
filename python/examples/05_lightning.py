"""A plain LightningModule: the engine is made where the optimizer is, and its loader is the training loader.

Lightning's automatic optimization gives the optimizer a closure; the engine lets it run once a step.
"""
import lightning
import torch
from torch import nn
from torch.nn import functional as F

import discreet

ROWS, BATCH, EPOCHS = 2_000, 100, 3


class Classifier(lightning.LightningModule):
    def __init__(self, x, y):
        super().__init__()
        self.data = (x, y)
        self.network = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.network.parameters(), lr=0.5)
        self.engine = discreet.PrivacyEngine.with_epsilon(self.network, epsilon=3, delta=1e-5, epochs=EPOCHS,
                                                          batch_size=BATCH, sample_size=ROWS)
        self.engine.attach(optimizer)
        self.draws = self.engine.loader(self.data)
        return optimizer

    def train_dataloader(self):
        return self.draws

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self.network(x), y)


def main():
    torch.manual_seed(0)
    x = torch.randn(ROWS, 8)
    y = (x[:, 0] + x[:, 1] > 0).long()
    model = Classifier(x, y)
    trainer = lightning.Trainer(max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
                                enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(model)
    model.eval()
    with torch.no_grad():
        accuracy = (model.network(x).argmax(1) == y).float().mean()
    print(f"{accuracy:.1%} right after {model.engine.steps} steps, epsilon {model.engine.epsilon(1e-5):.2f} at delta 1e-5")
    assert model.engine.steps == EPOCHS * ROWS // BATCH and model.engine.epsilon(1e-5) <= 3 and accuracy > 0.8


if __name__ == "__main__":
    main()
