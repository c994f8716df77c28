# KenLM (https://github.com/kpu/kenlm): how the other scoring_* files were made
lmplz -o 3 --discount_fallback < scoring_train.txt > scoring_3gram.arpa
query -v sentence scoring_3gram.arpa < scoring_test.txt > scoring_query.txt
query -v summary scoring_3gram.arpa < scoring_test.txt >> scoring_query.txt
gzip -n scoring_3gram.arpa
