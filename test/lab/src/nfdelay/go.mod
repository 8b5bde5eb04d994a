module github.com/redisoperator/redis-operator/test/lab/src/nfdelay

go 1.26.0
