"""The ledger of a network: layer by layer its output, memory, parameters, multiply-adds and receptive field.

    print(ledger(vgg16(1000), torch.empty(1, 3, 224, 224)))

The network runs once on the meta device: shapes are computed, numbers are not, so that even VGG-16 takes no memory
and no time.
"""

from zorki.introspection.ledger.record import ledger
from zorki.introspection.ledger.rows import COLUMNS, Ledger, LedgerRow

__all__ = ["COLUMNS", "Ledger", "LedgerRow", "ledger"]
