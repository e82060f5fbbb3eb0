#!/usr/bin/env bash
export OMP_NUM_THREADS=1
MODEL=facebook/wav2vec2-base
OUT="./${MODEL##*/}"
CUDA_VISIBLE_DEVICES=0,1 python -m torch.distributed.launch --nproc_per_node=2 \
  ../transformers/examples/pytorch/speech-recognition/run_speech_recognition_ctc.py \
  --model_name_or_path=$MODEL --dataset_name=librispeech_asr --dataset_config_name=clean \
  --train_split_name=train.100 --eval_split_name=validation \
  --output_dir='./wav2vec2 base' --preprocessing_num_workers 16 \
  --num_train_epochs 30 --per_device_train_batch_size 32 --evaluation_strategy epoch \
  --freeze_feature_extractor --adafactor False --warmup_ratio 0.1 --max_grad_norm 0 \
  --report_to wandb tensorboard --optim adamw_bnb_8bit --fp16 True --no_gradient_checkpointing \
  --lr_scheduler_type cosine --load_best_model_at_end --metric_for_best_model wer \
  --dataloader_num_workers=4 --local-rank 0 --attention_dropou 0.05 --my_own_flag 3 # a fork's
