"""A folder for each class, as torchvision's ImageFolder has it."""

PROVIDES = {"labels"}
PRECEDENCE = 90
