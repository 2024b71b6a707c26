"""MNIST to 98 % in PyTorch: eager with the fused Adam; compiling would cost more than it gains."""

import mnist98

arguments = mnist98.parse_arguments()
clock = mnist98.Clock()
import torch

torch.set_num_threads(arguments.threads)
torch.manual_seed(arguments.seed)
clock.lap("import")
images, labels = map(torch.from_numpy, mnist98.read(arguments.data, "train"))
test_images, test_labels = map(torch.from_numpy, mnist98.read(arguments.data, "t10k"))
labels = labels.long()
clock.lap("load")

net = torch.nn.Sequential(torch.nn.Linear(784, arguments.hidden), torch.nn.ReLU(),
                          torch.nn.Linear(arguments.hidden, 10))
for layer in (net[0], net[2]):
    torch.nn.init.kaiming_normal_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
criterion = torch.nn.CrossEntropyLoss()
adam = torch.optim.Adam(net.parameters(), lr=arguments.lr, fused=True)
steps_per_epoch = len(images) // arguments.batch
steps = steps_per_epoch * arguments.epochs

for step in range(steps):
    at = step % steps_per_epoch * arguments.batch
    if at == 0:
        order = torch.randperm(len(images))
    rows = order[at:at + arguments.batch]
    adam.param_groups[0]["lr"] = mnist98.rate_at(arguments, (step + 1) / steps)
    adam.zero_grad(set_to_none=True)
    criterion(net(images[rows]), labels[rows]).backward()
    adam.step()
clock.lap("train")
with torch.no_grad():
    reached = (net(test_images).argmax(1) == test_labels).float().mean().item()
clock.lap("test")
clock.report(reached)
