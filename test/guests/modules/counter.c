#include <linux/module.h>
#include <linux/moduleparam.h>

static int total;

static noinline int step(int by)
{
	if (by > 100)
		return -1;
	total += by;
	return total;
}

static int set_by(const char *value, const struct kernel_param *parameter)
{
	int by = 0;

	if (kstrtoint(value, 0, &by))
		return -EINVAL;
	if (step(by) < 0)
		return -ERANGE;
	return 0;
}

static const struct kernel_param_ops by_ops = { .set = set_by };
module_param_cb(by, &by_ops, NULL, 0600);

static int __init counter_init(void)
{
	pr_info("counter: begins with %d\n", step(3));
	return 0;
}

static void __exit counter_exit(void)
{
	pr_info("counter: ends with %d\n", total);
}

module_init(counter_init);
module_exit(counter_exit);
MODULE_LICENSE("GPL");
