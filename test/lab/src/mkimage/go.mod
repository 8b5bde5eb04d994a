module github.com/redisoperator/redis-operator/test/lab/src/mkimage

go 1.26.0
