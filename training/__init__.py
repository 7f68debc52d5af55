"""Training from recordings: read once, cut crops, fit, calibrate, measure, keep.

Rooms, each of which knows only those before it:

==============  ==================================================================================
data            places and sources of recordings, preprocessing, cache, labels, splits, data sets,
                crops, and what is wrong with a folder of recordings
augmentation    seeded changes of a crop that keep its labels, a module per modality
sharding        recordings as WebDataset shards, on disk or in object storage, and back
evaluation      a checkpoint measured on recordings in every respect, and its report
run             one run: losses, curriculum, trainer, validation, calibration, checkpoint
preview         images of the network inputs, for show, a module per modality
pretraining     a frame encoder pretrained on single images of simulated people
shipped         the checkpoint that ships with the package, from nothing
described       a checkpoint from a description in words, without recordings
==============  ==================================================================================

config holds the settings of all, pool the worker processes. In the order of a run:

==============  ==================================================================================
places          where recordings lie: folders, object storage
source          what training and evaluation take recordings from: bags or shards
opening         which of both a place holds
preprocessing   one recording through the node's own preprocessing, as arrays
cache           those arrays on disk, memory-mapped
segments        one uninterrupted part of a recording, as arrays with labels
splits          which recordings are trained on, validated with, tested on
dataset         recordings of a source, split, with their labels
crops           seeded random crops with thinned frames and hidden modalities; batches of them
batches         from plans to the tensors of a step, and which process works on which
losses          dense cross-entropy of the fused and the unimodal logits
alignment       contrastive alignment of the modalities at the same time
objective       the weighted sum of the losses, joined with the network
curriculum      which stage a run is in, and when the next one begins
trainer         the loop over batches
validation      what is reached on held-out recordings meanwhile
fit_calibration the temperature that makes probabilities honest
scoring         accuracy with every combination of modalities
train           one run from a folder of recordings to a checkpoint folder
==============  ==================================================================================
"""
