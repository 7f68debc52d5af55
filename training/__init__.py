"""Training from recordings: read once, cut crops, fit, calibrate, measure, keep.

==============  ==================================================================================
config          settings of a run, of its augmentation and stages, and of pretraining
intake          one recording through the node's own preprocessing, as arrays
cache           those arrays on disk, memory-mapped
sharding        recordings as WebDataset shards, on disk or in object storage, and back
inspection      what is wrong with a folder of recordings, all of it at once
splits          which of them are trained on, validated with, tested on
dataset         recordings or shards of them: cached in parallel, split, given targets
segments        one uninterrupted stretch of a recording, as arrays
targets         its labels as classes over time
crops           seeded random crops with thinned frames and hidden modalities; batches of them
augmentation    seeded changes of a crop that keep its labels
batches         from plans to the tensors of a step, and which process works on which
losses          dense cross-entropy of the fused and the unimodal logits
alignment       contrastive alignment of the modalities at the same time
agreement       divergence of the modalities' own beliefs from the fused one
objective       the weighted sum of these, joined with the network
curriculum      which stage a run is in, and when the next one begins
optimisation    optimiser, learning rate, moving average of the weights
processes       the processes that train together, and what they tell each other
state           a run's state on disk, written whole or not at all
trainer         the loop over batches
logbook         what a run tells of itself
memory          running out of memory, told as what to change
overfit         whether a single batch can be learnt by heart
validation      what is reached on held-out recordings meanwhile
predict         logits for every decision of whole recordings
metrics         confusion, accuracy and F1
calibration     the temperature that makes probabilities honest
evaluate        accuracy with every combination of modalities, for the model card
evaluation      a checkpoint measured on recordings in every respect, and its report
train           one run from a folder of recordings to a checkpoint folder
card            the model card
simulated       simulated recordings, many at once
preview         pictures of what the network sees and hears
stills          single pictures of simulated people, drawn as they are needed
pose            what a frame encoder is pretrained with: joints and motion
pretraining     one pretraining run
shipped         the checkpoint that ships with the package, from nothing
==============  ==================================================================================

pool, threads, interruption, runlog and throughput serve them all.
"""
